"""What a public report hides: small cells, and whatever would give them away by subtraction."""

from dataclasses import replace

import pandas as pd

from cxrfair.report._config import ReportConfig
from cxrfair.report._results import StudyResults
from cxrfair.report.suppression import _counts, _rows
from cxrfair.report.suppression._closing import close
from cxrfair.report.suppression._coarse import (
    coarsen,
    coarsen_curves,
    coarsen_shift,
    least,
    uncount,
)
from cxrfair.report.suppression._coverage import hide_coverage
from cxrfair.report.suppression._downstream import hide_downstream
from cxrfair.report.suppression._drawn import hide_drawn
from cxrfair.report.suppression._flow import join_small_steps
from cxrfair.report.suppression._groups import Hidden, Uncounted, hidden_groups, uncounted
from cxrfair.report.suppression._places import hide_places
from cxrfair.report.suppression._pointing import hide_pointing
from cxrfair.report.suppression._rebalanced import hide_rebalanced
from cxrfair.report.suppression._trials import hide_trials
from cxrfair.studies import home_of

__all__ = ["ReportConfig", "close", "hidden_groups", "join_small_steps", "suppress"]


def suppress(study: StudyResults) -> StudyResults:
    """Return results in which no count below `min_group_size` can be read or worked out.

    A group is hidden altogether when it has few images or patients in some fold, and for one label
    when it has few positives, few negatives, or few images that are not judged (few: at least one,
    fewer than `min_group_size`). Further groups are hidden until none of the hidden is a sum or
    difference of those still shown, no difference of shown ones is few, and every hidden count
    that is few could be any in an interval of `min_group_size`, given all that is shown and that
    no count is below 0 (`close`). Comparisons that a hidden group enters are hidden too; steps of
    the flow that lose few are joined with the next.

    A label of which few test images, or patients, are not judged at all is shown without any of
    its counts, and its shares to as many digits as its images allow: to three, two or one if a
    digit's width holds four of the fewer of positives and negatives (`coarsen`).

    Shares are rounded to three digits, as on the page: in full, a share is a fraction of two whole
    numbers that anyone can find. What this does not promise: counts of what a model said. A share
    of a shown group, times its number of images, tells how many were called positive.

    Returns
    -------
    StudyResults
        The same tables with the same columns; counts are nullable, and empty where hidden.

    Raises
    ------
    SuppressionError
        If the counts of groups contradict one another.
    """
    smallest, composition = study.min_group_size, study.composition
    hidden, secret = hidden_groups(composition, smallest), uncounted(composition, smallest)
    fewest = least(composition, secret)
    metrics, summary = coarsen(study.metrics, fewest), coarsen(study.summary, fewest)
    fitted = _thresholds(study, hidden, secret)
    matched = _rows.hide_matched(coarsen(study.matched, fewest), hidden, composition, smallest)
    shift = _rows.hide_shift(coarsen_shift(study.label_shift, fewest), hidden)
    probes = coarsen(study.attribute_leakage, fewest, pairs=True)
    return replace(
        study,
        metrics=uncount(_rows.hide_results(metrics, hidden, composition), secret),
        summary=uncount(_rows.hide_results(summary, hidden, composition), secret),
        matched=uncount(matched, secret),
        label_shift=uncount(shift, secret),
        curves=_rows.hide_curves(coarsen_curves(study.curves, secret), hidden, smallest),
        attribute_leakage=uncount(_rows.hide_leakage(probes, hidden, smallest), secret),
        selection=_rows.hide_selection(study.selection, hidden),
        localisation=hide_places(study.localisation, smallest),
        overlap=hide_places(study.overlap, smallest),
        pointing=hide_pointing(study.pointing, hidden, smallest),
        downstream=hide_downstream(study.downstream, smallest),
        search=_rows.hide_search(study.search, hidden),
        trials=hide_trials(study.trials, hidden, fewest),
        rebalanced=hide_rebalanced(study.rebalanced, hidden, secret),
        coverage=hide_coverage(study.coverage, hidden, smallest),
        drawn=hide_drawn(study.drawn, hidden, secret, smallest),
        flows={name: join_small_steps(flow, smallest) for name, flow in study.flows.items()},
        composition=_counts.hide_composition(composition, hidden, secret, smallest),
        thresholds=fitted,
        decoding={name: _counts.hide_decoding(of, smallest) for name, of in study.decoding.items()},
        cuts={name: _counts.hide_cuts(of, smallest) for name, of in study.cuts.items()},
        leakage={name: _counts.hide_gate(of, smallest) for name, of in study.leakage.items()},
    )


def _thresholds(study: StudyResults, hidden: Hidden, secret: Uncounted) -> pd.DataFrame:
    """Hide what tells of few in thresholds.

    Those of an external data set are its home's, and hidden where they are.
    """
    rows, smallest = study.thresholds, study.min_group_size
    fitted_on = {name: home_of(study.study, name) for name in study.study.datasets}
    placed = rows.assign(dataset=rows["dataset"].map(fitted_on))
    fitted = _counts.hide_groups_fitting(placed, study.study, hidden, smallest)
    found = uncount(_counts.hide_fitting(fitted, study.composition, smallest), secret)
    return found.assign(dataset=rows["dataset"])
