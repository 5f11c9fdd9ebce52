"""One file per data set, reading its original layout untouched; found by file name."""

from cxrfair.datasets._csv import SourceError
from cxrfair.datasets._source import Encounters, Images, Source, get, names

__all__ = ["Encounters", "Images", "Source", "SourceError", "get", "names"]
