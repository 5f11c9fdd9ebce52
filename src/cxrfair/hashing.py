"""Numbers that depend on nothing but their ingredients: the same on every machine and run."""

import hashlib
import json


def stable_hash(*parts: object) -> int:
    """Hash the parts' texts to a number in [0, 2**63), which an int64 can hold."""
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
