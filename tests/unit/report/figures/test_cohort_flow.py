from dataclasses import replace

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cxrfair.report.figures import cohort_flow
from cxrfair.report.figures._style import RC
from cxrfair.report.tables import cohort_flow as table


def _flow(*steps):
    """Rows of (step, images in, images out, why)."""
    rows = pd.DataFrame(steps, columns=["step", "images_in", "images_out", "why"])
    lost = rows["images_in"] - rows["images_out"]
    return rows.assign(position=rows.index, images_lost=lost, patients_out=7)


def _draw(results, **flows):
    study = results.study.model_copy(update={"datasets": tuple(flows)})
    with mpl.rc_context(RC):
        figure = cohort_flow.draw(replace(results, study=study, flows=flows))
        figure.draw_without_rendering()
    return figure


def _said(axes):
    return [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in axes.texts]


LONG = "; ".join(f"a rule in a good many words, and then some more of them {i}" for i in range(40))
MANY = _flow(
    ("listed by the source", 1000, 1000, None),
    ("with image file", 1000, 990, "no image file 10"),
    ("as the source's rules say", 990, 990, "odd dates 12; blank views 3"),
    ("linked to hospital stays", 990, 990, LONG),
    *((f"a step of some length with number {i}", 990, 990, "known 990") for i in range(12)),
    ("view AP or PA", 990, 900, "LATERAL 80, none 10"),
    ("known age", 900, 900, None),
)


def test_only_steps_that_lose_and_the_ends_are_counted(results):
    said = _said(_draw(results, nih=MANY).axes[0])
    boxes = [text for text in said if " images \N{MIDDLE DOT} " in text]
    assert [box.splitlines()[0] for box in boxes] == [
        *("listed by the source", "with image file", "view AP or PA", "known age"),
    ]
    assert boxes[2].endswith("900 images \N{MIDDLE DOT} 7 patients")
    assert "\N{MINUS SIGN}90 images: LATERAL 80, none 10" in said
    assert "odd dates 12\nblank views 3" in said


def test_a_source_whose_first_step_loses_has_a_box_of_its_own(results):
    said = _said(_draw(results, nih=_flow(("Frontal", 1000, 700, "lateral"))).axes[0])
    assert "Source\n1,000 images" in said
    assert "\N{MINUS SIGN}300 images: lateral" in said


def _boxes(axes):
    """Where each text lies, in pixels, boxes with their rims."""
    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    for text in axes.texts:
        if text.get_text():
            patch = text.get_bbox_patch()
            yield text, (patch or text).get_window_extent(renderer)


@pytest.mark.parametrize("columns", [1, 2])
def test_no_two_texts_overlap_and_none_leaves_the_page(results, columns):
    flows = {"nih": MANY, "mimic": _flow(("a", 10, 5, "b"))}
    figure = _draw(results, **dict(list(flows.items())[:columns]))
    page = figure.bbox
    placed = [box for axes in figure.axes for _, box in _boxes(axes)]
    for i, box in enumerate(placed):
        assert page.x0 <= box.x0, box
        assert box.x1 <= page.x1, box
        assert page.y0 <= box.y0, box
        assert box.y1 <= page.y1, box
        for other in placed[i + 1 :]:
            apart = (
                box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 or other.y1 <= box.y0
            )
            assert apart, f"{box} {other}"


def test_many_reasons_are_cut_and_the_table_has_them_all(results):
    said = _said(_draw(results, nih=MANY).axes[0])
    longest = max(said, key=lambda text: text.count("\n")).splitlines()
    assert len(longest) == cohort_flow.MOST_LINES
    assert longest[-1] == cohort_flow.DOTS
    study = results.study.model_copy(update={"datasets": ("nih",)})
    rows = table.make(replace(results, study=study, flows={"nih": MANY.iloc[::-1]}))
    assert rows["why"].iloc[3] == LONG
    assert rows["step"].iloc[0] == "listed by the source"
