"""Results of the made-up study, for the tests of this folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair.report.references import read
from cxrfair.studies import Variant

FOLDER = Path(__file__).parents[3] / "workflow" / "references"


@pytest.fixture(scope="session")
def results(made):
    return made.results()


GUIDED = {  # variants: level and ratio of the list, gap and AUROC, difference of the gap
    "plain": (0.0, 1.0, 0.10, 0.80, None),
    "aligned_50": (0.5, 1.0, 0.08, 0.82, (-0.02, -0.03, -0.01)),
    "aligned_100": (1.0, 1.0, 0.12, 0.81, (0.02, -0.01, 0.05)),
    "random_maps": (1.0, 1.0, 0.10, 0.70, (0.0, -0.01, 0.01)),
    "literal": (1.0, 1.0, 0.14, 0.79, (0.04, 0.01, 0.06)),
    "half": (0.0, 0.5, 0.20, 0.75, (0.10, 0.01, 0.20)),
    "half_aligned": (1.0, 0.5, 0.15, 0.76, (0.05, 0.01, 0.20)),
}
SETTINGS = {"random_maps": {"random_maps": True}, "literal": {"pixels": "positive"}}
JUDGED = (("jsrt", "nodule_or_mass"), ("chexpert", "nodule_or_mass"), ("chexpert", "edema"))
GAPS, OVERALL = (
    ("accuracy_gap", "auroc_gap", "tpr_gap", "f1_gap"),
    ("accuracy", "auroc", "tpr", "f1"),
)


def _guided_summary():
    """All gaps alike, and all measures of all images; edema is never stated in jsrt."""
    rows = []
    for name, (_, _, gap, auroc, away) in GUIDED.items():
        for place in (*JUDGED, ("jsrt", "edema")):
            known = place in JUDGED
            ends = dict(
                zip(("difference", "difference_low", "difference_high"), away or (), strict=False)
            )
            named = {"dataset": place[0], "label": place[1], "variant": name, "n": 90 * known}
            named |= {"seed_sd": 0.01, "note": None if known else "nobody is judged"}
            every = [(m, "all", "all", auroc, {}) for m in OVERALL]
            every += [(m, a, "between", gap, ends) for m in GAPS for a in ("sex", "age")]
            for metric, attribute, group, number, more in every:
                value = number if known else np.nan
                low, high = value - 0.02, value + 0.03
                told = {"metric": metric, "attribute": attribute, "group": group, "value": value}
                rows.append({**named, **told, "ci_low": low, "ci_high": high, **more})
    frame = pd.DataFrame(rows)
    return frame.assign(study="quick", n_seeds=2)


@pytest.fixture(scope="session")
def guided(results):
    """A study of levels, random maps, a literal form, and half of the patients."""
    lists = {
        f"list_{n}": {"strategy": "guided_share", "level": level, "ratio": ratio}
        for n, (level, ratio, *_) in enumerate(GUIDED.values())
    }
    variants = {
        name: Variant(method="aligner", rebalance=entry, settings=SETTINGS.get(name, {}))
        for name, entry in zip(GUIDED, lists, strict=True)
    }
    update = {
        **{"datasets": ("jsrt", "chexpert"), "labels": ("nodule_or_mass", "edema")},
        **{"attributes": ("sex", "age"), "variants": {"erm": Variant(method="erm"), **variants}},
        "reference": "plain",
    }
    rows = [
        {"dataset": d, "label": label, "variant": v, "seed": s, "value": 0.3 + 0.1 * n + 0.02 * s}
        for d, label in JUDGED
        for n, v in enumerate(GUIDED)
        for s in (0, 1)
    ]
    pointing = pd.DataFrame(rows).assign(attribute="all", group="all", statistic="hit_rate")
    apart = 0.1 * pointing["variant"].map(list(GUIDED).index)
    pointing = pointing.assign(
        **{"ci_low": pointing["value"] - 0.1, "ci_high": pointing["value"] + 0.1, "note": None},
        **{"difference": apart, "difference_low": apart - 0.15, "difference_high": apart + 0.15},
    )
    groups = pointing.assign(attribute="sex", group="female", value=0.99)
    return replace(
        results,
        study=results.study.model_copy(update=update),
        summary=_guided_summary(),
        pointing=pd.concat([pointing, groups], ignore_index=True),
        lists=lists,
        cards={},
        simulated=frozenset({"chexpert"}),
        paper=read(FOLDER / "alignment.yaml"),
        confidence=0.95,
    )
