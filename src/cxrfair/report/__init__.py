"""The report: tables and figures of finished studies, on one page that needs no network."""

from cxrfair.report._results import StudyResults
from cxrfair.report.suppression import ReportConfig

__all__ = ["ReportConfig", "StudyResults"]
