"""Choosing among a study's models, on validation alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxrfair import tables
from cxrfair.audit import AuditError, Model
from cxrfair.selection import UNDEFINED, SelectionError, choose, select
from cxrfair.statistics.cells import group_values

NAMES = ["study", "dataset", "attribute", "rule"]


def made_up(made, **changes):
    """(study, validation predictions, cohorts), with one label of which few are young."""
    of = made.study(datasets=("nih",), **changes)
    frame, fold = made.cohort("nih")
    models = {}
    for variant in of.variants:
        for seed in of.seeds:
            key = Model("nih", variant, seed)
            rows = made.predictions(of, frame, fold, key)
            models[key] = rows[rows["fold"] == "validation"]
    return of, models, {"nih": frame}


@pytest.fixture(scope="module")
def given(made):
    return made_up(made)


def probe(*rows, **changes):
    """Rows (variant, seed, attribute, group, value) of ATTRIBUTE_LEAKAGE."""
    frame = pd.DataFrame(rows, columns=["variant", "seed", "attribute", "group", "value"])
    blank = {"ci_low": np.nan, "ci_high": np.nan, "n": 9, "n_positive": 3, "n_patients": 9}
    place = {"study": "s", "dataset": "nih", "fold": "validation", "label": "any", "within": "all"}
    return frame.assign(**place, **blank, note=None, **changes)


NONE = tables.ATTRIBUTE_LEAKAGE.empty()
PROBED = [
    ("erm", 0, "sex", "between", 0.85),
    ("erm", 1, "sex", "between", 0.6),
    ("dro", 0, "sex", "between", 0.42),
    ("erm", 0, "sex", "female", 0.5),  # one group says nothing of all of them
]


def by_group(rows, frame, labels, attribute):
    """AUROC by label and known group, with scikit-learn."""
    found = {}
    people = frame.set_index("image_id")
    for label in labels:
        judged = rows[(rows["label"] == label) & rows["target"].notna()]
        group = group_values(people.loc[judged["image_id"]], attribute).to_numpy()
        for name in sorted(set(group) - {"unknown"}):
            of = judged[group == name]
            both = of["target"].nunique() == 2
            found[label, name] = roc_auc_score(of["target"], of["score"]) if both else np.nan
    return pd.Series(found).unstack()


def test_numbers_are_scikit_learns(given):
    of, models, cohorts = given
    found = select("s", of, models, cohorts, NONE)
    assert set(found["attribute"]) == set(of.attributes)
    for row in found.itertuples():
        rows = models[Model("nih", row.variant, row.seed)].dropna(subset=["target"])
        each = [roc_auc_score(g["target"], g["score"]) for _, g in rows.groupby("label")]
        assert row.overall == pytest.approx(np.mean(each), abs=1e-12)
        table = by_group(rows, cohorts["nih"], of.labels, row.attribute)
        assert row.worst == pytest.approx(table.min(axis=1).mean(), abs=1e-12)
        gaps = table.max(axis=1) - table.min(axis=1)
        assert row.gap == pytest.approx(gaps.mean(), abs=1e-12)


def test_the_best_by_each_rule_among_all(given):
    of, models, cohorts = given
    found = select("s", of, models, cohorts, NONE)
    everything = []
    for key, rows in models.items():
        each = [roc_auc_score(g["target"], g["score"]) for _, g in rows.dropna().groupby("label")]
        table = by_group(rows, cohorts["nih"], of.labels, "age")
        everything.append((key, np.mean(each), table.min(axis=1).mean(), table.mean().to_numpy()))
    axes = np.array([row[3] for row in everything])
    apart = np.sqrt(((axes.max(axis=0) - axes) ** 2).sum(axis=1))
    wanted = {
        "overall": max(everything, key=lambda row: row[1])[0],
        "minimax": max(everything, key=lambda row: row[2])[0],
        "dto": everything[int(apart.argmin())][0],
    }
    ages = found[found["attribute"] == "age"].set_index("rule")
    for rule, key in wanted.items():
        assert (ages.loc[rule, "variant"], ages.loc[rule, "seed"]) == key[1:]
    front = ages.loc[["pareto"]]
    assert {(key.variant, key.seed) for key in (wanted["overall"], wanted["minimax"])} <= set(
        zip(front["variant"], front["seed"], strict=True)
    )


def test_the_leakage_nearest_to_chance_wins(given):
    of, models, cohorts = given
    found = select("s", of, models, cohorts, probe(*PROBED))
    least = found[found["rule"] == "min_leakage"]
    assert least["attribute"].tolist() == ["sex"]  # nobody probed for the others
    assert least[["variant", "seed", "leakage"]].to_numpy().tolist() == [["dro", 0, 0.42]]
    assert "no probe of 1 of 4 models, left out" in least["note"].item()
    same = found[(found["attribute"] == "sex") & (found["variant"] == "erm")]
    assert same[same["seed"] == 0]["leakage"].dropna().eq(0.85).all()


def test_probes_within_one_class_and_of_other_studies_do_not_count(given):
    of, models, cohorts = given
    others = [probe(*PROBED).assign(within="positive"), probe(*PROBED).assign(study="t")]
    found = select("s", of, models, cohorts, pd.concat(others))
    assert "min_leakage" not in set(found["rule"])
    assert found["leakage"].isna().all()


def test_rows_make_the_table(given, tmp_path):
    of, models, cohorts = given
    found = select("s", of, models, cohorts, probe(*PROBED))
    assert not found.duplicated([*NAMES, "variant", "seed"]).any()
    tables.SELECTION.write(found, tmp_path / "s.parquet")
    again = tables.SELECTION.read(tmp_path / "s.parquet")
    assert len(again) == len(found)


@pytest.mark.parametrize("fold", ["train", "test"])
def test_scores_of_another_fold_are_refused(given, fold):
    of, models, cohorts = given
    key = next(iter(models))
    mixed = {**models, key: models[key].assign(fold=fold)}
    with pytest.raises(SelectionError, match=rf"'{fold}'; allowed: validation"):
        select("s", of, mixed, cohorts, NONE)


def test_probes_of_the_test_fold_are_refused(given):
    of, models, cohorts = given
    rows = pd.concat([probe(*PROBED), probe(*PROBED).assign(fold="test")])
    with pytest.raises(SelectionError, match=r"'test'; allowed: validation \(4 rows\)"):
        select("s", of, models, cohorts, rows)


def test_models_must_be_comparable(given):
    of, models, cohorts = given
    first, last = next(iter(models)), list(models)[-1]
    without = {key: rows for key, rows in models.items() if key != last}
    with pytest.raises(SelectionError, match="1 are missing"):
        select("s", of, without, cohorts, NONE)
    fewer = {**models, last: models[last].iloc[1:]}
    with pytest.raises(AuditError, match="differ from those of"):
        select("s", of, fewer, cohorts, NONE)
    blank = models[last].copy()
    blank.loc[blank.index[0], "score"] = np.nan
    with pytest.raises(AuditError, match="differ from those of"):
        select("s", of, {**models, last: blank}, cohorts, NONE)
    one_label = {**models, first: models[first][models[first]["label"] == "no_finding"]}
    with pytest.raises(AuditError, match="no validation predictions for label 'pleural_eff"):
        select("s", of, one_label, cohorts, NONE)
    half = {"nih": cohorts["nih"].iloc[::2]}
    with pytest.raises(AuditError, match="not in the cohort; allowed: none") as caught:
        select("s", of, models, half, NONE)
    assert "nih0" not in str(caught.value)  # says how many, not who


def test_where_no_group_is_defined_only_the_overall_rule_chooses(given):
    of, models, cohorts = given
    alone = {"nih": cohorts["nih"].assign(sex="female")}
    found = select("s", of, models, alone, NONE)
    sexes = found[found["attribute"] == "sex"]
    assert sexes["rule"].tolist() == ["overall"]
    assert np.isnan(sexes["worst"].item())
    assert sexes["note"].item() == "2 of 2 labels undefined and left out"


def test_nothing_at_all_is_defined(given, tmp_path):
    of, models, cohorts = given
    empty = {key: rows.assign(target=np.nan) for key, rows in models.items()}
    found = select("s", of, empty, cohorts, NONE)
    assert len(found) == 0
    tables.SELECTION.write(found, tmp_path / "s.parquet")
    assert len(tables.SELECTION.read(tmp_path / "s.parquet")) == 0


def test_groups_that_do_not_enter_are_named(given):
    of, models, cohorts = given
    frame = cohorts["nih"]
    positive = {
        image
        for rows in models.values()
        for image in rows.loc[(rows["label"] == "no_finding") & rows["target"].eq(1), "image_id"]
    }
    young = frame["age"].eq("20-40") & frame["image_id"].isin(positive)
    moved = {"nih": frame.assign(age=frame["age"].mask(young, "40-60"))}
    found = select("s", of, models, moved, NONE)
    notes = found.loc[found["attribute"] == "age", "note"]
    assert notes.str.contains("undefined for some label and left out there: .*20-40").all()


# Four women and four men, half of each positive. One inversion among the 2 x 2 pairs of a group
# costs it a quarter; pairs of a positive and a negative of different groups count overall alone.
PEOPLE = pd.DataFrame({"image_id": list("abcdefgh"), "patient_id": list("abcdefgh")}).assign(
    sex=["female"] * 4 + ["male"] * 4, age=["old", "young"] * 4
)
TARGET = [1, 1, 0, 0, 1, 1, 0, 0]
DRAWN = {
    # women 1.0, men 1.0, but women's scores lie above men's: overall 12 of 16 pairs
    0: [8, 7, 6, 5, 4, 3, 2, 1],
    # women 1.0, men 0.5: overall 14 of 16
    1: [9, 8, 2, 1, 7, 3, 5, 4],
    # women 0.75, men 0.75: overall 12 of 16
    2: [9, 4, 5, 1, 8, 3, 6, 2],
}


def drawn(scores=DRAWN, fold="validation"):
    rows = pd.DataFrame({"image_id": list("abcdefgh"), "label": "edema", "target": TARGET})
    rows = rows.astype({"target": "Int8"}).assign(fold=fold)
    return {n: rows.assign(score=np.array(of, np.float32) / 10) for n, of in scores.items()}


def of_sex(made, attributes=("sex",)):
    names = {"datasets": ("nih",), "labels": ("edema",), "attributes": attributes}
    return made.study(**names, variants={"v": {"method": "erm"}}, reference="v", seeds=(0,))


def auroc(scores, rows):
    pairs = [(scores[i], scores[j]) for i in rows for j in rows if TARGET[i] > TARGET[j]]
    return np.mean([(high > low) + (high == low) / 2 for high, low in pairs])


@pytest.mark.parametrize(("rule", "wanted"), [("overall", 1), ("minimax", 0), ("dto", 0)])
def test_a_draw_is_chosen_by_hand(made, rule, wanted):
    found = choose(of_sex(made), drawn(), PEOPLE, rule)
    everyone, women, men = range(8), range(4), range(4, 8)
    by_hand = {
        n: [auroc(of, everyone), auroc(of, women), auroc(of, men)] for n, of in DRAWN.items()
    }
    assert [round(v[0], 4) for v in by_hand.values()] == [0.75, 0.875, 0.75]
    for row in found.itertuples():
        whole, *groups = by_hand[row.draw]
        assert row.overall == pytest.approx(whole)
        assert row.worst == pytest.approx(min(groups))
        assert row.gap == pytest.approx(max(groups) - min(groups))
    assert found.loc[found["chosen"], "draw"].tolist() == [wanted]
    assert found["note"].isna().all()


def test_the_worst_group_is_of_all_attributes_and_the_gap_of_one(made):
    """Old people are a, c, e, g; young ones b, d, f, h."""
    found = choose(of_sex(made, ("sex", "age")), drawn(), PEOPLE, "minimax")
    for row in found.itertuples():
        of = DRAWN[row.draw]
        sexes = [auroc(of, range(4)), auroc(of, range(4, 8))]
        ages = [auroc(of, range(0, 8, 2)), auroc(of, range(1, 8, 2))]
        assert row.worst == pytest.approx(min(sexes + ages))
        assert row.gap == pytest.approx(max(max(sexes) - min(sexes), max(ages) - min(ages)))


def test_equal_draws_are_the_first_and_adding_one_that_is_worse_changes_nothing(made):
    same = drawn({3: DRAWN[1], 1: DRAWN[1], 0: DRAWN[2]})
    found = choose(of_sex(made), same, PEOPLE, "overall")
    assert found["draw"].tolist() == [0, 1, 3]
    assert found["chosen"].tolist() == [False, True, False]


def test_a_draw_without_scores_is_never_chosen_unless_nothing_is_defined(made):
    nothing = tables.PREDICTIONS.empty()
    found = choose(of_sex(made), {0: nothing, **drawn({1: DRAWN[2]})}, PEOPLE, "overall")
    assert found["chosen"].tolist() == [False, True]
    assert found.loc[0, ["overall", "worst", "gap"]].isna().all()
    found = choose(of_sex(made), {0: nothing, 1: nothing}, PEOPLE, "overall")
    assert found["chosen"].tolist() == [True, False]
    assert found["note"].fillna("").tolist() == [UNDEFINED, ""]


def test_a_rule_that_has_nothing_to_go_by_leaves_settings_as_they_are(made):
    alone = PEOPLE.assign(sex="female")
    assert choose(of_sex(made), drawn(), alone, "overall").loc[1, "chosen"]
    for rule in ("minimax", "dto"):
        found = choose(of_sex(made), drawn(), alone, rule)
        assert found["chosen"].tolist() == [True, False, False]
        assert found.loc[0, "note"] == UNDEFINED
        without = {0: tables.PREDICTIONS.empty(), **drawn({1: DRAWN[1], 2: DRAWN[2]})}
        found = choose(of_sex(made), without, alone, rule)
        assert found["chosen"].tolist() == [False, True, False]
        assert found.loc[1, "note"] == UNDEFINED


def test_no_draw_is_chosen_by_test_images(made):
    with pytest.raises(SelectionError, match="'test'; allowed: validation"):
        choose(of_sex(made), drawn(fold="test"), PEOPLE, "overall")


def test_external_data_sets_choose_nothing(given):
    of, models, cohorts = given
    away = of.model_copy(update={"datasets": ("jsrt", "nih"), "external": ("jsrt",)})
    found = select("s", away, models, cohorts, NONE)
    pd.testing.assert_frame_equal(found, select("s", of, models, cohorts, NONE))
