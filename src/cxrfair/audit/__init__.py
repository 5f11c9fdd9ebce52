"""Models judged by their predictions: every metric in every group, with intervals."""

from cxrfair.audit.config import AuditConfig
from cxrfair.audit.headlines import HEADLINE, headline, points
from cxrfair.audit.judge import TABLES, Audit, audit
from cxrfair.evidence import FOLD, AuditError, Evidence, Model, align

__all__ = [
    "FOLD",
    "HEADLINE",
    "TABLES",
    "Audit",
    "AuditConfig",
    "AuditError",
    "Evidence",
    "Model",
    "align",
    "audit",
    "headline",
    "points",
]
