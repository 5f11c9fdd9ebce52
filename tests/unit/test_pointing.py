import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.localisation import LocalisationError, Maps
from cxrfair.pointing import Outlined, PointingError, hits, of_label, point
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.intervals import wilson
from cxrfair.statistics.multiplicity import paired_p
from cxrfair.statistics.uncertainty import Uncertainty

UNCERTAINTY = Uncertainty(resamples=60, confidence=0.9, seed=3, min_group_size=2)
WHERE = ("quick", "nih")
FIRST = [[9, 0], [0, 0]]
LAST = [[0, 0], [0, 9]]


def mask(*text):
    """A mask of rows of `#` and `.`."""
    return np.array([[letter == "#" for letter in row] for row in text])


def hit(values, inside):
    """How far one map hits one mask."""
    return hits(np.array([values], np.float32), np.asarray(inside)[None]).item()


CORNER = mask("##..", "##..", "....", "....")  # the first of four cells


def test_a_map_hits_where_the_centre_of_its_largest_cell_is_inside():
    assert hit(FIRST, CORNER) == 1
    assert hit(LAST, CORNER) == 0
    assert hit(LAST, ~CORNER) == 1
    centre = mask("....", ".#..", "....", "....")  # cell 0 of two over 4 pixels: pixel 1
    assert hit(FIRST, centre) == 1
    assert hit(FIRST, CORNER & ~centre) == 0  # three quarters of the cell, but not its centre


def test_signs_count():
    assert hit([[-9, 1], [0, 0]], CORNER) == 0
    assert hit([[-1, -9], [-9, -9]], CORNER) == 1


@pytest.mark.parametrize(
    ("values", "inside", "wanted"),
    [
        ([[9, 9], [0, 0]], CORNER, 1 / 2),
        ([[9, 9], [9, 0]], CORNER, 1 / 3),
        ([[9, 9], [9, 0]], ~CORNER, 2 / 3),
        ([[0, 0], [0, 0]], CORNER, 1 / 4),  # the same everywhere: all cells tie
        ([[2, 2], [2, 2]], CORNER, 1 / 4),
        ([[0, 0], [0, 0]], np.ones((4, 4), bool), 1),
        ([[0, 0], [0, 0]], np.zeros((4, 4), bool), 0),
    ],
)
def test_of_cells_that_are_equally_large_each_counts_its_share(values, inside, wanted):
    assert hit(values, inside) == pytest.approx(wanted)


def test_masks_at_the_edge_are_hit_by_the_cells_there():
    """Grids as fine as the image, coarser by no whole number, and finer."""
    edge = np.zeros((5, 5), bool)
    edge[4, 4] = True
    same = np.zeros((5, 5))
    same[4, 4] = 1
    assert hit(same, edge) == 1
    same[4, 4], same[4, 3] = 0, 1
    assert hit(same, edge) == 0
    last = np.zeros((3, 3))
    last[2, 2] = 1  # its centre: (2.5 * 5 / 3, ...) = 4.17: pixel 4
    assert hit(last, edge) == 1
    middle = np.zeros((5, 5), bool)
    middle[2, 2] = True
    assert hit([[1]], middle) == 1  # 0.5 * 5 = 2.5: pixel 2
    fine = np.zeros((10, 10))
    fine[9, 8] = 1
    assert hit(fine, edge) == 1


def test_rows_and_columns_are_not_mixed_up():
    inside = np.zeros((4, 4), bool)
    inside[1, 2:] = True
    assert hit([[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], inside) == 0  # row 1.5 * 4 / 3 = 2
    assert hit([[0, 0, 1, 0], [0, 0, 0, 0]], inside) == 1
    assert hit([[0, 1], [0, 0], [0, 0], [0, 0]], inside) == 0
    assert hit([[0, 0], [0, 1], [0, 0], [0, 0]], inside) == 1


@given(
    rows=st.integers(1, 7),
    columns=st.integers(1, 7),
    size=st.integers(1, 9),
    seed=st.integers(0, 9),
)
def test_hits_agree_with_the_definition_cell_by_cell(rows, columns, size, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 3, (3, rows, columns)).astype(np.float32)
    masks = rng.random((3, size, size)) < 0.4
    for of, inside, found in zip(values, masks, hits(values, masks), strict=True):
        tied = [
            inside[int((row + 0.5) * size / rows), int((column + 0.5) * size / columns)]
            for row, column in np.argwhere(of == of.max())
        ]
        assert found == pytest.approx(np.mean(tied))


def test_the_map_of_a_label_is_the_one_of_its_name():
    values = np.arange(2 * 4 * 1 * 2, dtype=np.float32).reshape(2, 4, 1, 2)
    worded = Maps("relevance", ("edema", "mass", "not edema", "not mass"), ["a", "b"], values)
    np.testing.assert_array_equal(of_label(worded, "mass"), values[:, 1])
    with pytest.raises(PointingError, match="maps: none of 'nodule'; have edema, mass, not edema"):
        of_label(worded, "nodule")
    plain = Maps("attention", (), ["a", "b"], values[:, :1])
    np.testing.assert_array_equal(of_label(plain, "nodule"), values[:, 0])
    with pytest.raises(PointingError, match="maps: 4 of no label an image; allowed: 1"):
        of_label(Maps("attention", (), ["a", "b"], values), "nodule")


def study(made, **changes):
    return made.study(
        **{"datasets": ("nih",), "labels": ("edema", "mass"), "attributes": ("sex",), **changes}
    )


def people(n, sex=None, patients=None):
    frame = pd.DataFrame({"image_id": [f"i{row}" for row in range(n)]})
    patients = patients or [f"p{row}" for row in range(n)]
    return frame.assign(patient_id=patients, sex=sex or ["female"] * n)


def outlined(masks, n=4, **of):
    """Images i0, i1, ...; `masks[label] = {row: mask}`."""
    found = {k: (np.array(list(v), np.intp), np.stack(list(v.values()))) for k, v in masks.items()}
    return Outlined(people(n, **of), found)


def maps(*values, ids=None):
    """The one map of each image, of no label."""
    stacked = np.asarray(values, np.float32)[:, None]
    return Maps("attention", (), ids or [f"i{row}" for row in range(len(values))], stacked)


def measured(of, models, images, uncertainty=UNCERTAINTY):
    found = point(WHERE, of, models, images, uncertainty)
    tables.POINTING.check(found)
    return found


def at(found, label="edema", group="all", variant="erm", seed=0):
    keys = ["label", "group", "variant", "seed"]
    (row,) = found[found[keys].eq([label, group, variant, seed]).all(axis=1)].to_dict("records")
    return row


def test_hit_rates_of_groups_and_the_gap_worked_out_by_hand(made):
    sex = ["female", "female", "male", "male", "unknown"]
    images = outlined({"edema": dict.fromkeys(range(5), CORNER)}, 5, sex=sex)
    found = measured(study(made), {("erm", 0): maps(FIRST, FIRST, FIRST, LAST, LAST)}, images)
    rows = found[found["label"] == "edema"].set_index("group")
    assert rows["value"].to_dict() == {
        "all": 3 / 5, "female": 1.0, "male": 0.5, "unknown": 0.0, "between": 0.5,
    }  # fmt: skip
    assert rows["n"].to_dict() == {
        "all": 5, "female": 2, "male": 2, "unknown": 1, "between": 4,
    }  # fmt: skip
    assert rows["statistic"].to_dict()["between"] == "gap"
    assert set(rows["statistic"].drop("between")) == {"hit_rate"}
    assert rows["attribute"].to_dict()["all"] == "all"
    assert set(rows["attribute"].drop("all")) == {"sex"}
    expected = rows["expected"].drop("between")
    assert (expected == 4 / 16).all()
    assert np.isnan(rows.loc["between", "expected"])
    assert rows.loc["unknown", "note"].startswith("fewer than 2 images")
    assert set(found["study"]) == {"quick"}
    assert found.loc[found["label"] == "mass", "value"].isna().all()


def test_what_a_random_point_would_hit_is_the_mean_share_of_mask(made):
    whole = np.ones((4, 4), bool)
    images = outlined({"edema": {0: CORNER, 1: whole}}, 3)
    found = measured(study(made), {("erm", 0): maps(FIRST, FIRST, FIRST)}, images)
    assert at(found)["expected"] == pytest.approx((4 / 16 + 1) / 2)
    constant = measured(study(made), {("erm", 0): maps(*np.zeros((3, 4, 4)))}, images)
    assert at(constant)["value"] == pytest.approx(at(constant)["expected"])


def test_images_without_a_mask_and_empty_masks_do_not_count(made):
    empty = np.zeros((4, 4), bool)
    images = outlined({"edema": {0: CORNER, 1: empty, 3: CORNER}, "mass": {2: empty}})
    models = {("erm", 0): maps(FIRST, FIRST, FIRST, LAST)}
    found = measured(study(made), models, images)
    row = at(found)
    assert (row["value"], row["n"], row["n_patients"], row["expected"]) == (0.5, 2, 2, 0.25)
    none = at(found, "mass")
    assert none["note"] == "no image with a mask"
    assert none["n"] == none["n_patients"] == 0
    numbers = ("value", "ci_low", "ci_high", "expected", "difference", "p_value")
    assert all(np.isnan(none[name]) for name in numbers)


def test_a_gap_is_between_groups_with_a_mask_and_says_which_are_not(made):
    sex = ["a", "b", "c", "c"]
    images = outlined({"edema": {0: CORNER, 2: CORNER, 3: CORNER}, "mass": {2: CORNER}}, sex=sex)
    found = measured(study(made), {("erm", 0): maps(FIRST, LAST, FIRST, LAST)}, images)
    gap = at(found, group="between")
    assert gap["value"] == 0.5
    assert gap["n"] == 3
    assert "groups without a mask left out: b" in gap["note"]
    assert "enters with fewer than 2 images: a" in gap["note"]
    alone = at(found, "mass", "between")
    assert np.isnan(alone["value"])
    assert alone["note"] == "fewer than two groups with a mask"
    nobody = people(4, sex=["unknown"] * 4)
    unknown = Outlined(nobody, {"edema": (np.arange(2), np.stack([CORNER, CORNER]))})
    gap = at(measured(study(made), {("erm", 0): maps(*[FIRST] * 4)}, unknown), group="between")
    assert gap["note"] == "fewer than two groups with a mask"
    assert gap["n"] == gap["n_patients"] == 0


def naive(values, masks, patients, uncertainty=UNCERTAINTY, sex=None):
    """Draws of the hit rate, image by image and patient by patient."""
    names = sorted(set(patients))
    counts = patient_counts(len(names), uncertainty.resamples, uncertainty.seed)
    each = hits(np.asarray(values, np.float32), masks)
    found = []
    for drawn in counts:
        weight = np.array([drawn[names.index(patient)] for patient in patients])
        weight = weight * (True if sex is None else sex)
        found.append((weight * each).sum() / weight.sum() if weight.sum() else np.nan)
    return np.array(found)


def test_resampling_is_what_a_loop_over_patients_makes(made):
    rng = np.random.default_rng(1)
    n, patients = 60, [f"p{row // 2:02d}" for row in range(60)]
    sex = np.where(rng.random(n) < 0.5, "female", "male")
    masks = rng.random((n, 6, 6)) < 0.4
    own, other = rng.integers(0, 9, (2, n, 3, 3))
    images = outlined({"edema": dict(enumerate(masks))}, n, sex=sex.tolist(), patients=patients)
    models = {("dro", 0): maps(*other), ("erm", 0): maps(*own)}
    found = measured(study(made), models, images)
    mine, theirs = naive(own, masks, patients), naive(other, masks, patients)
    row, against = at(found), at(found, variant="dro")
    ends = np.quantile(mine[1:], [0.05, 0.95])
    np.testing.assert_allclose([row["value"], row["ci_low"], row["ci_high"]], [mine[0], *ends])
    apart = theirs - mine
    got = [against[name] for name in ("difference", "difference_low", "difference_high")]
    np.testing.assert_allclose(got, [apart[0], *np.quantile(apart[1:], [0.05, 0.95])])
    assert against["p_value"] == pytest.approx(paired_p(apart[None])[0])
    assert np.isnan(row["difference"])
    assert np.isnan(row["p_value"])
    groups = [naive(own, masks, patients, sex=sex == name) for name in ("female", "male")]
    gap = np.abs(groups[0] - groups[1])
    np.testing.assert_allclose(at(found, group="female")["value"], groups[0][0])
    got = [at(found, group="between")[name] for name in ("value", "ci_low", "ci_high")]
    np.testing.assert_allclose(got, [gap[0], *np.quantile(gap[1:], [0.05, 0.95])])
    assert (row["n"], row["n_patients"]) == (60, 30)


def test_patients_without_a_mask_are_resampled_too(made):
    """So that another label's rate, and another model's, are of the same people."""
    masks = {0: CORNER, 1: CORNER}
    images = outlined({"edema": masks}, 9)
    loose = UNCERTAINTY.model_copy(update={"min_group_size": 0})
    found = measured(study(made), {("erm", 0): maps(*[FIRST] * 9)}, images, loose)
    nobody = (patient_counts(9, 60, 3)[1:, :2].sum(axis=1) == 0).sum()
    assert nobody > 0
    assert at(found)["note"] == f"undefined in {nobody} of 60 resamples"


def test_rates_of_few_images_have_wilson_intervals_and_are_flagged(made):
    few = UNCERTAINTY.model_copy(update={"min_group_size": 5})
    images = outlined({"edema": {0: CORNER, 1: CORNER, 2: CORNER}})
    row = at(measured(study(made), {("erm", 0): maps(*[FIRST] * 4)}, images, few))
    low, high = wilson(1.0, 3, 0.9)
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert "fewer than 5 images" in row["note"]
    assert "Wilson interval: rate of 3 images" in row["note"]


def test_the_reference_is_that_of_the_same_seed(made):
    images = outlined({"edema": {0: CORNER, 1: CORNER}}, 2)
    hit_all, miss_all = maps(FIRST, FIRST), maps(LAST, LAST)
    models = {("erm", 0): hit_all, ("erm", 1): miss_all, ("dro", 0): hit_all, ("dro", 1): hit_all}
    found = measured(study(made), models, images)
    same, other = at(found, variant="dro"), at(found, variant="dro", seed=1)
    assert (same["difference"], same["p_value"]) == (0, 1)
    assert other["difference"] == 1
    variants = {v: {"method": "erm"} for v in ("erm", "dro")}
    variants["jtt"] = {"method": "erm", "against": "dro"}
    of = study(made, variants=variants)
    found = measured(of, models | {("jtt", 1): miss_all}, images)
    assert at(found, variant="jtt", seed=1)["difference"] == -1
    alone = measured(study(made), {("dro", 0): hit_all}, images)  # the reference draws no maps
    assert np.isnan(at(alone, variant="dro")["difference"])


def test_each_label_has_a_map_and_masks_of_its_own(made):
    values = np.array([[FIRST, LAST]] * 2, np.float32)
    worded = Maps("class_activation", ("edema", "mass"), ["i0", "i1"], values)
    images = outlined({"edema": {0: CORNER, 1: CORNER}, "mass": {0: CORNER, 1: ~CORNER}}, 2)
    found = measured(study(made), {("erm", 0): worded}, images)
    assert (at(found)["value"], at(found, "mass")["value"]) == (1, 0.5)


def test_maps_are_found_by_the_ids_of_their_images(made):
    images = outlined({"edema": {0: CORNER, 1: CORNER}}, 3)
    before = measured(study(made), {("erm", 0): maps(FIRST, LAST, LAST)}, images)
    turned = maps(LAST, LAST, FIRST, ids=["i2", "i1", "i0"])
    pd.testing.assert_frame_equal(before, measured(study(made), {("erm", 0): turned}, images))
    with pytest.raises(LocalisationError, match="maps: 1 of 3 images have none; allowed: 0"):
        measured(study(made), {("erm", 0): maps(FIRST, LAST)}, images)


def test_grids_of_any_shape_stand_side_by_side_and_no_model_is_no_row(made):
    images = outlined({"edema": {0: CORNER, 1: CORNER}}, 2)
    wide = np.zeros((2, 1, 8))
    wide[:, 0, 1] = 1  # row 0.5 * 4 = 2
    tall = np.zeros((2, 8, 1))
    tall[:, 1] = 1  # column 2
    models = {("erm", 0): maps(FIRST, FIRST), ("dro", 0): maps(*wide), ("erm", 1): maps(*tall)}
    found = measured(study(made), models, images)
    assert at(found)["value"] == 1
    assert at(found, variant="dro")["value"] == at(found, seed=1)["value"] == 0
    assert measured(study(made), {}, images).empty


def test_intersections_are_groups_too(made):
    images = outlined({"edema": dict.fromkeys(range(4), CORNER)}, sex=["f", "f", "m", "m"])
    with_age = images.people.assign(age=["old", "young", "old", "young"])
    of = study(made, attributes=("sex x age",))
    found = measured(
        of, {("erm", 0): maps(FIRST, FIRST, FIRST, LAST)}, Outlined(with_age, images.masks)
    )
    assert at(found, group="m x young")["value"] == 0
    assert at(found, group="between")["value"] == 1
