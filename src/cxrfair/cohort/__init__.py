"""From what sources say to the images of a study: linking, grouping, choosing, and counting."""

from cxrfair.errors import CxrfairError


class CohortError(CxrfairError):
    """A cohort cannot be made from what was given."""
