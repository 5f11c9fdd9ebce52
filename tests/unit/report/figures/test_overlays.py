"""Maps over simulated pictures: whose, and where they are largest."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from cxrfair.pointing import hits
from cxrfair.report.figures import overlays
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC, datasets_of
from cxrfair.sights import Sights
from cxrfair.studies import Variant

HIT = np.array([[0, 1], [5, 1]], np.float32)  # largest at the left, below
MISS = np.array([[0, 7], [5, 1]], np.float32)
FLAT = np.ones((2, 2), np.float32)


def sights(**maps):
    """Two pictures of 8 x 8, outlined at the left below."""
    masks = np.zeros((2, 8, 8), bool)
    masks[:, 4:, :4] = True
    every = {name: np.stack([of, of]) for name, of in maps.items()}
    return Sights(np.full((2, 8, 8), 90, np.uint8), ("edema", "nodule_or_mass"), masks, every)


@pytest.fixture
def study(guided):
    of = sights(plain=MISS, aligned_100=HIT, literal=FLAT)
    return replace(guided, sights=dict.fromkeys(("jsrt", "chexpert"), of))


def draw(study):
    with mpl.rc_context(RC):
        drawn = overlays.draw(study)
        if drawn is not None:
            lay_out(drawn)
            drawn.draw_without_rendering()
    return drawn


def marks(axes):
    """Where hits and misses are marked."""
    found = [c for c in axes.collections if hasattr(c, "get_sizes") and len(c.get_sizes())]
    return [np.asarray(c.get_offsets()).tolist() for c in found]


def test_a_row_an_image_and_a_column_a_variant_beside_the_outlined_picture(study):
    drawn = draw(study)
    assert len(drawn.axes) == 2 * 4
    heads = [axes.get_title(loc="left") for axes in drawn.axes[:4]]
    assert heads == ["Outlined", "Plain", "Aligned 100", "Literal"]
    assert all(datasets_of(axes) == {"chexpert"} for axes in drawn.axes)
    assert drawn.axes[0].get_ylabel() == "Edema\nChexpert"
    assert drawn.axes[4].get_ylabel() == "Nodule or mass\nChexpert"
    assert len(drawn.axes[0].get_images()) == 1
    _, names = drawn.axes[0].get_legend_handles_labels()
    assert names == ["hit", "miss"]


def test_points_are_marked_as_hits_and_misses_and_flat_maps_not_at_all(study):
    axes = draw(study).axes
    assert marks(axes[1]) == [[], [[0.75, 0.25]]]
    assert marks(axes[2]) == [[[0.25, 0.75]], []]
    assert marks(axes[3]) == [[], []]


def test_heat_goes_from_clear_to_the_map_s_own_largest(study):
    _, heat = draw(study).axes[1].get_images()
    np.testing.assert_allclose(np.asarray(heat.get_array()), MISS / 7)
    np.testing.assert_allclose(heat.get_alpha(), 0.75 * MISS / 7)


@pytest.mark.parametrize("grid", [(2, 2), (3, 5), (7, 7), (14, 14)])
def test_hits_are_those_of_the_pointing_game(grid):
    rng = np.random.default_rng(0)
    masks = rng.random((40, 32, 32)) < 0.4
    values = rng.integers(0, 9, (40, *grid)).astype(np.float32)  # with ties
    values[:, 0, 0] = 9.0
    values[1::2, -1, -1] = 9.0
    share = [
        overlays.inside(overlays.largest(v), m).mean() for v, m in zip(values, masks, strict=True)
    ]
    np.testing.assert_allclose(share, hits(values, masks))


def test_of_many_variants_those_guided_on_all_patients_come_first(study):
    names = [name for name in study.study.variants if name != "erm"]
    more = {**study.study.variants, **{f"v{n}": Variant(method="erm") for n in range(4)}}
    of = study.study.model_copy(update={"variants": more})
    maps = dict.fromkeys([*more], HIT)
    drawn = draw(replace(study, study=of, sights={"chexpert": sights(**maps)}))
    heads = [axes.get_title(loc="left") for axes in drawn.axes[1:7]]
    assert len(names) == 7
    assert heads == ["Erm", "Plain", "Aligned 50", "Aligned 100", "Random maps", "Literal"]


def test_nothing_simulated_or_no_map_is_nothing_drawn(study, results):
    assert draw(results) is None
    assert draw(replace(study, simulated=frozenset())) is None
    assert draw(replace(study, sights={"chexpert": sights()})) is None
