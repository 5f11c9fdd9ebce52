import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_curve

from cxrfair.config import ConfigError
from cxrfair.tables import THRESHOLDS
from cxrfair.thresholds import ThresholdConfig, ThresholdError, fit

RULES = ("fixed", "max_f1", "youden")


def _rows(target, score, label="edema", fold="validation"):
    return pd.DataFrame(
        {
            "image_id": [f"i{i}" for i in range(len(target))],
            "label": label,
            "fold": fold,
            "target": np.array(target, float),
            "score": np.array(score, "float32"),
        }
    )


def _value(rows, rule):
    return fit(rows, ThresholdConfig(rule=rule, fixed=0.5)).set_index("label")["value"]


def test_by_hand():
    rows = _rows([1, 0, 1, 0, 0], [0.9, 0.8, 0.5, 0.5, 0.25])
    # F1 calling from 0.9: 2/3; 0.8: 2/4; 0.5: 4/6 (a tie: both); 0.25: 4/7. The highest best: 0.9
    assert _value(rows, "max_f1")["edema"] == np.float32(0.9)
    # TPR - FPR: 1/2; 1/2 - 1/3; 1 - 2/3; 0
    assert _value(rows, "youden")["edema"] == np.float32(0.9)
    assert _value(rows, "fixed")["edema"] == 0.5


def test_tied_scores_are_called_together():
    # cutting inside the tie at 0.5 would give F1 = 1
    rows = _rows([1, 1, 0], [0.9, 0.5, 0.5])
    assert _value(rows, "max_f1")["edema"] == np.float32(0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_no_threshold_has_a_better_f1(seed):
    rng = np.random.default_rng(seed)
    target, score = rng.integers(2, size=25), (rng.integers(9, size=25) / 8).astype("float32")
    target[0] = 1
    chosen = _value(_rows(target, score), "max_f1")["edema"]
    best = max(f1_score(target, score >= value) for value in score)
    assert f1_score(target, score >= chosen) == pytest.approx(best, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_no_threshold_has_a_better_youden_index(seed):
    rng = np.random.default_rng(seed)
    target, score = rng.integers(2, size=25), (rng.integers(9, size=25) / 8).astype("float32")
    target[:2] = (0, 1)
    chosen = _value(_rows(target, score), "youden")["edema"]
    fpr, tpr, cuts = roc_curve(target, score, drop_intermediate=False)
    ours = (tpr - fpr)[cuts == chosen]
    assert ours.max() == pytest.approx((tpr - fpr)[1:].max(), abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fold", ["train", "test"])
def test_rows_of_another_fold_are_refused(rule, fold):
    rows = pd.concat([_rows([1, 0], [0.9, 0.1]), _rows([1], [0.2], fold=fold)], ignore_index=True)
    with pytest.raises(ThresholdError, match=rf"'{fold}'; allowed: validation \(1 row"):
        fit(rows, ThresholdConfig(rule=rule, fixed=0.5))


@pytest.mark.parametrize(
    ("rule", "target", "note"),
    [
        ("max_f1", [0, 0], "no positives"),
        ("youden", [0, 0], "needs a positive and a negative"),
        ("youden", [1, 1], "needs a positive and a negative"),
        ("max_f1", [np.nan, np.nan], "no positives"),
    ],
)
def test_undefined_with_a_note(tmp_path, rule, target, note):
    found = fit(_rows(target, [0.5, 0.6]), ThresholdConfig(rule=rule, fixed=0.5))
    THRESHOLDS.write(found, tmp_path / "t.parquet")
    row = THRESHOLDS.read(tmp_path / "t.parquet").iloc[0]
    assert np.isnan(row["value"])
    assert note in row["note"]


def test_images_that_are_not_judged_do_not_count():
    rows = _rows([1, np.nan, 0], [0.4, 0.9, 0.1])
    row = fit(rows, ThresholdConfig(rule="max_f1", fixed=0.5)).iloc[0]
    assert (row["value"], row["n"], row["n_positive"]) == (np.float32(0.4), 2, 1)


def test_fixed_is_fitted_on_nothing():
    row = fit(_rows([1, 0], [0.4, 0.9]), ThresholdConfig(rule="fixed", fixed=0.3)).iloc[0]
    assert (row["value"], row["fitted_on"], row["n"]) == (0.3, "nothing", 0)


def test_one_row_a_label():
    rows = pd.concat([_rows([1, 0], [0.9, 0.1]), _rows([1, 0], [0.6, 0.1], "mass")])
    assert _value(rows, "max_f1").to_dict() == {"edema": np.float32(0.9), "mass": np.float32(0.6)}


@pytest.mark.parametrize("text", ['{"rule": "max_f1"}', '{"rule": "best", "fixed": 0.5}'])
def test_settings_are_strict(text):
    with pytest.raises(ConfigError):
        ThresholdConfig.parse(text)
