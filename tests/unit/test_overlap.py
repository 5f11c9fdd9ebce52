import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxrfair import tables
from cxrfair.overlap import (
    ATTRIBUTE,
    LABEL,
    Images,
    OverlapError,
    Saliency,
    areas,
    dice,
    elsewhere,
    enlarge,
    overlap,
    unrelated,
)
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import Study

UNCERTAINTY = Uncertainty(resamples=80, confidence=0.9, seed=3, min_group_size=2)
WHERE = ("quick", "nih")
STUDY = Study.model_validate(
    {
        **{"datasets": ("nih",), "labels": ("edema",), "attributes": ("sex",), "reference": "erm"},
        "variants": {name: {"method": name} for name in ("erm", "faap")},
        **{"effects": {"sex": ("male", "female")}, "seeds": (0, 1)},
    }
)


def marked(*text):
    """Areas of rows of `#` and `.`."""
    return np.array([[letter == "#" for letter in row] for row in text])


def test_dice_against_numbers_worked_out_by_hand():
    one = marked("##....", "##....", "##....", "......", "#.....")
    other = marked("##....", ".###..", "....##", "#.....", "......")
    np.testing.assert_allclose(dice(one, other), [1, 2 * 1 / 5, 0, np.nan, np.nan])
    np.testing.assert_allclose(
        unrelated(one, other), [1 / 3, 2 * (1 / 3) * 0.5 / (1 / 3 + 0.5), 1 / 3, np.nan, np.nan]
    )


def test_elsewhere_is_the_mean_over_the_other_images():
    one = marked("##..", "#...", "....", "...#")
    other = marked("##..", "..##", "....", "#...")
    first = (0 + 2 * 1 / 3) / 2  # with the second and the fourth; the third is empty
    second = (2 * 1 / 3 + 1) / 2
    fourth = (0 + 2 * 1 / 3) / 2
    np.testing.assert_allclose(elsewhere(one, other), [first, second, np.nan, fourth])
    assert np.isnan(elsewhere(one[:1], other[:1])).all()


@st.composite
def two(draw):
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 12)))
    return draw(arrays(bool, shape)), draw(arrays(bool, shape))


@given(two())
def test_dice_is_symmetric_and_a_share(both):
    one, other = both
    found = dice(one, other)
    np.testing.assert_array_equal(found, dice(other, one))
    known = ~np.isnan(found)
    assert ((found[known] >= 0) & (found[known] <= 1)).all()
    assert (known == (one.any(axis=1) & other.any(axis=1))).all()
    assert (dice(one, one)[one.any(axis=1)] == 1).all()
    assert np.nansum(dice(one, ~one)) == 0
    mine = unrelated(one, one)[one.any(axis=1)]
    np.testing.assert_allclose(mine, one.mean(axis=1)[one.any(axis=1)])


@given(st.integers(1, 9), st.integers(1, 9), st.integers(9, 40), st.integers(0, 5))
def test_maps_are_enlarged_linearly_between_the_middles_of_cells(rows, columns, size, seed):
    """Against numpy.interp, which holds the ends: row by row, then column by column."""
    maps = np.random.default_rng(seed).random((2, rows, columns)).astype(np.float32)
    pixel = (np.arange(size) + 0.5) / size
    down, across = ((np.arange(n) + 0.5) / n for n in (rows, columns))
    wide = np.apply_along_axis(lambda line: np.interp(pixel, across, line), 2, maps)
    wanted = np.apply_along_axis(lambda line: np.interp(pixel, down, line), 1, wide)
    np.testing.assert_allclose(enlarge(maps, size), wanted, atol=1e-6)


def test_an_area_is_the_largest_fifth_the_first_of_equals():
    maps = np.zeros((4, 5, 5), np.float32)
    maps[0] = np.arange(25).reshape(5, 5)  # at its own size: the last five pixels
    maps[1, :2] = 1  # ten equals
    maps[2, 3, 3] = 0.1  # fewer than a fifth are above 0
    found = areas(maps, 5)
    assert np.flatnonzero(found[0]).tolist() == [20, 21, 22, 23, 24]
    assert np.flatnonzero(found[1]).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(found[2]).tolist() == [18]
    assert not found[3].any()
    assert areas(maps[:1], 64).sum() == np.ceil(0.2 * 64**2)


def saliency(models, ids):
    """Maps of each model: {(variant, seed): (of edema, of sex)}, each (n, rows, columns)."""
    rows, parts, start = [], [], 0
    for (variant, seed), both in models.items():
        for of, name, maps in zip((LABEL, ATTRIBUTE), ("edema", "sex"), both, strict=True):
            for image, each in zip(ids, np.asarray(maps, np.float32), strict=True):
                rows.append((variant, seed, of, name, image, start, *each.shape))
                parts.append(each.ravel())
                start += each.size
    index = pd.DataFrame(rows, columns=list(tables.SALIENCY_INDEX.columns))
    tables.SALIENCY_INDEX.check(index)
    return Saliency(np.concatenate(parts), index.sample(frac=1, random_state=0))


def of(n, patients=None, size=5):
    ids = [f"i{row:02d}" for row in range(n)]
    return Images(ids, patients or [f"p{row}" for row in range(n)], size)


def measured(models, images, study=STUDY):
    found = overlap(WHERE, study, saliency(models, images.image_ids), images, UNCERTAINTY)
    tables.OVERLAP.check(found)
    return found


def at(found, variant="erm", seed=0):
    (row,) = found[found[["variant", "seed"]].eq([variant, seed]).all(axis=1)].to_dict("records")
    return row


def bars(*rows):
    """Maps of 5 x 5 pixels that are large in one row each; None is blank."""
    maps = np.zeros((len(rows), 5, 5), np.float32)
    for image, row in enumerate(rows):
        if row is not None:
            maps[image, row] = 1
    return maps


def test_a_measure_worked_out_by_hand():
    found = measured({("erm", 0): (bars(0, 1, 2, None, 4), bars(0, 0, 2, 3, None))}, of(5))
    row = at(found)
    assert (row["label"], row["attribute"], row["minus"], row["plus"]) == (
        *("edema", "sex"),
        *("male", "female"),
    )
    assert row["value"] == pytest.approx(2 / 3)
    assert row["expected"] == pytest.approx(0.2)
    # others with an area of sex: of i0 i1 (0), i2 and i3; of i1 i0, i2, i3; of i2 i0, i1, i3
    assert row["elsewhere"] == pytest.approx((1 / 3 + 0 + 0) / 3)
    assert (row["n"], row["n_patients"], row["blank"]) == (3, 3, 2)
    assert row["note"].startswith("maps that are the same everywhere left out")
    assert np.isnan(row["difference"])


def test_the_same_maps_are_one_and_disjoint_ones_nothing():
    models = {
        ("erm", 0): (bars(0, 1, 2), bars(0, 1, 2)),
        ("faap", 0): (bars(0, 1, 2), bars(3, 4, 4)),
        ("faap", 1): (bars(0, 0, 0), bars(0, 0, 0)),
    }
    found = measured(models, of(3))
    assert at(found)["value"] == at(found)["ci_low"] == at(found)["ci_high"] == 1
    assert at(found)["note"] is None
    apart = at(found, "faap")
    assert apart["value"] == apart["elsewhere"] == 0
    names = ("difference", "difference_low", "difference_high")
    assert [apart[name] for name in names] == [-1, -1, -1]
    habit = at(found, "faap", 1)
    assert habit["value"] == habit["elsewhere"] == 1
    assert np.isnan(habit["difference"])  # the reference has no seed 1


def test_differences_are_from_what_a_variant_is_compared_with():
    variants = {name: {"method": name} for name in ("erm", "faap", "ad")}
    of_study = {
        **STUDY.model_dump(),
        "variants": variants | {"ad": {"method": "ad", "against": "faap"}},
    }
    models = {
        ("erm", 0): (bars(0, 1, 2), bars(0, 1, 2)),
        ("faap", 0): (bars(0, 1, 2), bars(3, 4, 4)),
        ("ad", 0): (bars(0, 1, 2), bars(3, 4, 4)),
    }
    found = measured(models, of(3), study=Study.model_validate(of_study))
    assert at(found, "faap")["difference"] == -1
    assert at(found, "ad")["difference"] == 0


def test_intervals_are_percentiles_over_patients_and_the_difference_is_paired():
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 3, (4, 12))
    models = {("erm", 0): map(bars_of, rows[:2]), ("faap", 0): map(bars_of, rows[2:])}
    found = measured(models, of(12, [f"p{row // 2:02d}" for row in range(12)]))
    drawn = patient_counts(6, 80, 3).repeat(2, axis=1)  # two images a patient
    mine, other = (drawn @ (rows[at] == rows[at + 1]) / drawn.sum(axis=1) for at in (0, 2))
    row, against = at(found), at(found, "faap")
    ends = np.quantile(mine[1:], [0.05, 0.95])
    np.testing.assert_allclose([row["value"], row["ci_low"], row["ci_high"]], [mine[0], *ends])
    apart = other - mine
    got = [against[name] for name in ("difference", "difference_low", "difference_high")]
    np.testing.assert_allclose(got, [apart[0], *np.quantile(apart[1:], [0.05, 0.95])])
    assert row["n_patients"] == 6


def bars_of(rows):
    return bars(*rows)


def test_without_both_areas_there_is_no_number():
    found = measured({("erm", 0): (bars(None, 1, None), bars(0, None, None))}, of(3))
    row = at(found)
    assert row["note"] == "no image has both areas"
    assert (row["n"], row["n_patients"], row["blank"]) == (0, 0, 3)
    numbers = ("value", "ci_low", "ci_high", "expected", "elsewhere", "difference")
    assert all(np.isnan(row[name]) for name in numbers)


def test_networks_of_other_grids_stand_side_by_side():
    coarse = np.zeros((2, 1, 5), np.float32)
    coarse[:, 0, 0] = 1  # a column; a bar shares one pixel in five with it
    found = measured(
        {("erm", 0): (bars(0, 0), bars(0, 0)), ("faap", 0): (coarse, bars(0, 0))}, of(2)
    )
    assert at(found, "faap")["value"] == pytest.approx(0.2)


def test_maps_are_found_by_model_and_image():
    kept = saliency({("erm", 0): (bars(0, 1), bars(2, 3))}, ["a", "b"])
    found = kept.maps(("erm", 0), (ATTRIBUTE, "sex"), ["b", "a"])
    np.testing.assert_array_equal(found, bars(3, 2))
    says = "saliency: 1 of 2 maps of erm, seed 0, label edema are missing"
    with pytest.raises(OverlapError, match=says):
        kept.maps(("erm", 0), (LABEL, "edema"), ["a", "z"])
    with pytest.raises(OverlapError, match="2 of 2 maps of erm, seed 1, label edema are missing"):
        kept.maps(("erm", 1), (LABEL, "edema"), ["a", "b"])


def test_maps_are_read_as_they_were_written(tmp_path):
    kept = saliency({("erm", 0): (bars(0, 1), bars(2, 3))}, ["a", "b"])
    np.save(tmp_path / "v.npy", kept.values)
    tables.SALIENCY_INDEX.write(kept.index, tmp_path / "i")
    again = Saliency.read(tmp_path / "v.npy", tmp_path / "i")
    what = (("erm", 0), (LABEL, "edema"), ["a", "b"])
    np.testing.assert_array_equal(again.maps(*what), kept.maps(*what))
