import numpy as np
import pytest
from PIL import Image

from cxrfair.phantom import sheets
from cxrfair.phantom.noise import PhantomError
from cxrfair.phantom.population import FINDINGS

SIZE = 32
DOWN = SIZE + sheets.DOWN


def _pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def contact(make_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sheets")
    for masks in (False, True):
        out = folder / "deep" / f"{masks}.png"
        sheets.contact_sheet(make_config(), SIZE, out, attribute="sex", masks=masks)
    return folder / "deep"


def test_a_contact_sheet_has_a_row_a_finding_and_a_column_a_group(contact):
    high, wide, _ = _pixels(contact / "False.png").shape
    assert high == sheets.TOP + (1 + len(FINDINGS)) * DOWN
    assert wide == sheets.MARGIN + 2 * (SIZE + sheets.ACROSS)


def _cell(pixels, row, column):
    top = sheets.TOP + row * DOWN + sheets.WORDS
    left = sheets.MARGIN + column * (SIZE + sheets.ACROSS)
    return pixels[top + 3 : top + SIZE - 3, left + 3 : left + SIZE - 3]


def test_groups_differ_and_masks_are_outlined_where_there_are_any(contact):
    plain, outlined = (_pixels(contact / f"{masks}.png") for masks in (False, True))
    for row in range(1 + len(FINDINGS)):
        assert (_cell(plain, row, 0) != _cell(plain, row, 1)).any()
        coloured = np.ptp(_cell(outlined, row, 0), axis=2).max() > 40
        assert coloured == (row > 0)
        assert np.ptp(_cell(plain, row, 0), axis=2).max() == 0


def test_equal_sheets_are_equal_bytes(contact, make_config, tmp_path):
    again = tmp_path / "a.png"
    sheets.contact_sheet(make_config(), SIZE, again, attribute="sex", masks=True)
    assert again.read_bytes() == (contact / "True.png").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_counterfactual_sheet_has_a_row_a_patient_and_attribute(make_config, tmp_path):
    out = tmp_path / "c.png"
    sheets.counterfactual_sheet(make_config(), SIZE, out, patients=2)
    pixels = _pixels(out)
    assert pixels.shape[0] == sheets.TOP + 6 * DOWN
    assert pixels.shape[1] == sheets.MARGIN + 4 * (SIZE + sheets.ACROSS)
    for row in range(6):
        factual, direct, difference, total = (_cell(pixels, row, i) for i in range(4))
        assert (factual != direct).any()
        assert (factual != total).any()
        assert np.ptp(difference, axis=2).max() > 0


def test_without_a_direct_path_the_difference_is_blank(make_config, tmp_path):
    config = make_config(direct_path={"sex": 0.0, "race": 0.0, "age": 0.0}, device_path=0.0)
    sheets.counterfactual_sheet(config, SIZE, tmp_path / "c.png", patients=1)
    pixels = _pixels(tmp_path / "c.png")
    for row in range(3):
        assert (_cell(pixels, row, 0) == _cell(pixels, row, 1)).all()
        assert np.ptp(_cell(pixels, row, 2).reshape(-1, 3), axis=0).max() == 0


def test_what_cannot_be_drawn_is_refused(make_config, tmp_path):
    with pytest.raises(PhantomError, match="no attribute 'age'; one of sex, race, insurance, age_"):
        sheets.contact_sheet(make_config(), SIZE, tmp_path / "x.png", attribute="age", masks=False)
    with pytest.raises(PhantomError, match="0 patients; 1 or more"):
        sheets.counterfactual_sheet(make_config(), SIZE, tmp_path / "x.png", patients=0)
    assert not any(tmp_path.iterdir())
