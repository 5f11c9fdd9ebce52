from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from cxrfair.pictured import NOTHING, Examples, Seen
from cxrfair.report.figures._style import COLOURS, RC, datasets_of
from cxrfair.report.figures.patches import draw, phrase

WORDS = ("no_finding", "not no_finding")


def seen(cells, kind="relevance", of=WORDS, images=4):
    """Where a variant looks: `cells` (rows, columns) count its largest map, -1 is not looked at."""
    largest = np.tile(np.array(cells, np.int16), (images, 1, 1))
    return Seen(kind, of, largest >= 0, largest.clip(0))


def examples(variants, images=4):
    masks = np.zeros((images, 2, 8, 8), bool)
    masks[:, 0, 2:5, 2:5] = True
    pixels = np.full((images, 8, 8), 90, np.uint8)
    return Examples(pixels, ("edema", "nodule"), masks, variants)


ONE = {"erm": seen([[0, -1], [-1, -1]], "attention", ()), "dro": seen([[-1, 0], [1, 1]])}


@pytest.fixture
def study(results):
    """Both have examples; only mimic is simulated."""
    return replace(results, examples={name: examples(ONE) for name in results.study.datasets})


@pytest.fixture(autouse=True)
def look():
    with mpl.rc_context(RC):
        yield


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_only_simulated_images_are_drawn_an_image_a_row(study):
    figure = draw(study)
    figure.draw_without_rendering()
    assert len(figure.axes) == 4 * 2
    assert all(datasets_of(axes) == {"mimic"} for axes in figure.axes)
    assert [axes.get_title("left") for axes in figure.axes[:2]] == ["Erm", "Dro"]
    both = draw(replace(study, simulated=frozenset({"nih", "mimic"})))
    shown = [next(iter(datasets_of(axes))) for axes in both.axes[::2]]
    assert shown == ["nih", "nih", "mimic", "mimic"]


def test_nothing_simulated_is_nothing_drawn(results, study):
    assert draw(results) is None
    assert draw(replace(study, simulated=frozenset())) is None
    assert draw(replace(study, examples={"mimic": NOTHING})) is None


def test_cells_looked_at_are_tinted_by_the_phrase_that_says_most(study):
    axes = draw(study).axes[1]  # dro: three of four cells
    xray, tint = axes.get_images()
    assert (np.asarray(xray.get_array()) == 90).all()
    rgba = np.asarray(tint.get_array())
    assert (rgba[..., 3] > 0).tolist() == [[False, True], [True, True]]
    legend = dict(zip(*_legend(draw(study)), strict=True))
    # 4 images: `finding` twice in each; `no finding` and erm's only map once
    assert list(legend)[0] == "finding"
    assert set(legend) == {"finding", "no finding", "looked at"}
    np.testing.assert_allclose(rgba[0, 1, :3], to_rgb(legend["no finding"]))
    np.testing.assert_allclose(rgba[1, 0, :3], to_rgb(legend["finding"]))
    (boxes,) = [c for c in axes.collections if len(c.get_paths()) == 3]
    lowest = np.array([path.vertices.min(axis=0) for path in boxes.get_paths()])
    np.testing.assert_allclose(lowest, [[0.51, 0.01], [0.01, 0.51], [0.51, 0.51]])


def _legend(figure):
    handles, names = figure.axes[0].get_legend_handles_labels()
    return names, [handle.get_facecolor()[0] for handle in handles]


def test_findings_that_are_there_are_outlined_by_name(study):
    for axes in draw(study).axes:
        assert texts(axes) == ["edema"]


def test_of_many_variants_the_reference_and_those_of_words_are_shown(study):
    names = [f"v{number}" for number in range(7)]
    kinds = {"v4": "relevance", "v6": "relevance"}
    of = study.study.model_copy(
        update={"variants": dict.fromkeys(names, study.study.variants["erm"]), "reference": "v5"}
    )
    every = {name: seen([[0, -1]], kinds.get(name, "attention"), ()) for name in names}
    figure = draw(replace(study, study=of, examples={"mimic": examples(every, images=1)}))
    assert [axes.get_title("left") for axes in figure.axes] == ["V0", "V1", "V4", "V5", "V6"]


def test_more_maps_than_colours_share_the_last(study):
    labels = tuple(f"label_{number}" for number in range(9))
    often = np.repeat(np.arange(9), np.arange(10, 1, -1))  # the first is largest most often
    figure = draw(replace(study, examples={"mimic": examples({"erm": seen([often], of=labels)})}))
    names, _ = _legend(figure)
    assert len(names) == len(COLOURS) - 1
    assert names == [*(f"label {number}" for number in range(5)), "other labels"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_finding", "no finding"),
        ("not no_finding", "finding"),
        ("pleural_effusion", "pleural effusion"),
        ("not pleural_effusion", "no pleural effusion"),
    ],
)
def test_phrases_are_readable(name, said):
    assert phrase(name) == said
