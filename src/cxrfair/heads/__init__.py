"""Last layers fitted anew on frozen features; one file each, found by file name."""

from cxrfair.heads._head import (
    NO_GROUP,
    Fitted,
    Head,
    HeadError,
    Known,
    Material,
    Trials,
    get,
    names,
)

__all__ = ["NO_GROUP", "Fitted", "Head", "HeadError", "Known", "Material", "Trials", "get", "names"]
