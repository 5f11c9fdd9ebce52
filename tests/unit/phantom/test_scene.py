import numpy as np
import pandas as pd
import pytest

from cxrfair.phantom import acquisition, anatomy, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.population import FINDINGS

PROFILE = Profile("test", 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, True)
SIZE = 64
SHAPES = {"cardiomegaly": "heart_ratio", "enlarged_cardiomediastinum": "mediastinum"}
LEAST = {"fracture": 0.5, "support_devices": 2}  # grey levels a finding adds on average


def _scene(config):
    return pd.concat(scene.blocks(config, PROFILE), ignore_index=True)


def _pictures(rows, size=SIZE):
    return np.concatenate([pictures.grey for _, pictures in scene.batches(rows, size)])


@pytest.fixture(scope="module")
def built(make_config):
    return _scene(make_config(patients=120))


@pytest.fixture(scope="module")
def alone(make_config):
    """Return a maker of frontal rows with one finding only, and the same with it unseen."""

    def make(finding, count=8):
        prevalence = {name: float(name == finding) for name in FINDINGS}
        built = _scene(make_config(patients=9, prevalence=prevalence))
        rows = built[~built["lateral"]].head(count)
        return rows, rows.assign(**{f"{finding}_load": 0.0})

    return make


def test_drawing_twice_gives_the_same_pixels(built):
    np.testing.assert_array_equal(_pictures(built.head(9)), _pictures(built.head(9)))


def test_a_picture_does_not_depend_on_its_batch(built):
    rows = built.head(7)
    alone = np.concatenate([scene.draw(rows.iloc[i : i + 1], SIZE).grey for i in range(7)])
    np.testing.assert_array_equal(scene.draw(rows, SIZE).grey, alone)


def test_more_patients_change_nobodys_pictures(make_config):
    few, many = (_scene(make_config(patients=n)) for n in (8, 40))
    pd.testing.assert_frame_equal(few, many.head(len(few)))


def test_pictures_fill_the_grey_range_and_differ(built):
    pictures = _pictures(built.head(40))
    assert pictures.shape == (40, SIZE, SIZE)
    assert pictures.dtype == np.uint8
    assert 60 < pictures.mean() < 180
    assert pictures.std(axis=(1, 2)).min() > 25
    assert len({picture.tobytes() for picture in pictures}) == 40


def test_lungs_are_darker_than_heart_and_belly(built):
    rows = built[~built[list(FINDINGS)].any(axis=1) & ~built["lateral"]]
    mean = _pictures(rows).mean(axis=0)
    lung = mean[24:32, 14:22].mean()
    assert lung + 40 < mean[36:42, 32:38].mean()
    assert lung + 40 < mean[54:60, 20:44].mean()


@pytest.mark.parametrize("finding", sorted({*FINDINGS} - {*SHAPES}))
def test_a_finding_changes_pixels_under_its_mask_only(alone, finding):
    rows, without = alone(finding)
    shown, hidden = scene.draw(rows, SIZE), scene.draw(without, SIZE)
    _, masks = shown.masks[finding]
    difference = shown.grey.astype(int) - hidden.grey
    assert (difference[masks < 1e-4] == 0).all()
    core = difference[masks > 0.5]
    assert core.size > 0
    darker = finding == "pneumothorax"
    assert core.mean() < -2 if darker else core.mean() > LEAST.get(finding, 4)


def test_cardiomegaly_is_a_wider_heart(built):
    rows = built[~built["cardiomegaly"] & ~built["lateral"]].head(20).assign(cardiomegaly=True)
    wide = rows.assign(heart_ratio=rows["heart_ratio"] * 1.25)
    small, large = (
        [box["cardiomegaly"][2] for box in scene.boxes(scene.draw(frame, SIZE))]
        for frame in (rows, wide)
    )
    assert np.mean(large) > np.mean(small) + 0.05


@pytest.mark.parametrize(("finding", "column"), SHAPES.items())
def test_some_findings_are_a_body_of_another_shape(make_config, finding, column):
    rates = {"prevalence": {finding: 0.4}}
    plain, faint = (
        _scene(make_config(patients=80, finding_contrast=contrast, **rates))
        for contrast in (1.0, 0.0)
    )
    ill = plain[finding]
    assert (plain[column][ill] > faint[column][ill] + 0.01).all()
    assert (plain[column][~ill] == faint[column][~ill]).all()
    differs = (_pictures(plain) != _pictures(faint)).any(axis=(1, 2))
    assert differs[ill & ~plain["lateral"]].all()


def test_contrast_zero_hides_every_finding(make_config):
    config = make_config(patients=40, finding_contrast=0.0)
    rows = _scene(config)
    healthy = rows.assign(**dict.fromkeys(FINDINGS, False))
    np.testing.assert_array_equal(_pictures(rows), _pictures(healthy))


@pytest.mark.parametrize("finding", FINDINGS)
def test_masks_lie_at_the_same_place_at_every_size(alone, finding):
    rows, _ = alone(finding)
    small, large = (scene.draw(rows, size).masks[finding][1] for size in (48, 192))
    shrunk = large.reshape(len(rows), 48, 4, 48, 4).mean(axis=(2, 4))
    assert np.abs(shrunk - small).mean() < 0.01
    assert (large.max(axis=(1, 2)) > 0.5).mean() > 0.7
    assert large.min() >= 0
    assert large.max() <= 1.001


def test_boxes_hold_their_masks(built):
    pictures = scene.draw(built.head(60), SIZE)
    boxes = scene.boxes(pictures)
    seen = 0
    for finding, (rows, masks) in pictures.masks.items():
        for row, mask in zip(rows, masks, strict=True):
            if finding in boxes[row]:
                x, y, width, height = np.round(np.array(boxes[row][finding]) * SIZE).astype(int)
                inside = np.zeros_like(mask, dtype=bool)
                inside[y : y + height, x : x + width] = True
                assert (mask[~inside] <= 0.5).all()
                assert (mask[[y, y + height - 1]] > 0.5).any(axis=1).all()
                seen += 1
    assert seen > 20


def test_side_views_look_different_and_carry_no_masks(built):
    rows = built[built["lateral"]]
    pictures = scene.draw(rows, SIZE)
    assert len(rows) > 10
    assert not pictures.masks
    frontal = _pictures(built[~built["lateral"]]).mean(axis=0)
    assert np.corrcoef(frontal.ravel(), pictures.grey.mean(axis=0).ravel())[0, 1] < 0.8


def _as(rows, **attributes):
    return rows.assign(**attributes)


@pytest.mark.parametrize(
    ("attribute", "values"),
    [("sex", ("female", "male")), ("race", ("white", "black")), ("age_years", (20.0, 90.0))],
)
def test_an_arrow_at_zero_is_off_and_at_one_is_on(make_config, built, attribute, values):
    """Hold the noise and change the attribute: body and exposure move only if the path is open."""
    path = attribute.removesuffix("_years")
    moved = {}
    for strength in (0.0, 1.0):
        config = make_config(direct_path={path: strength})
        drawn = [
            pd.concat(
                [anatomy.measure(config, rows), acquisition.settings(config, rows, PROFILE)], axis=1
            )
            for rows in (_as(built, **{attribute: value}) for value in values)
        ]
        moved[strength] = not drawn[0].equals(drawn[1])
    assert moved == {0.0: False, 1.0: True}


@pytest.mark.parametrize(("strength", "arrow"), [(0.0, False), (1.0, True)])
def test_the_device_path_opens_and_closes(make_config, built, strength, arrow):
    config = make_config(device_path=strength)
    studies = built[~built["lateral"]]
    views = [
        acquisition.images(config, _as(studies, insurance=name), PROFILE)["portable"].mean()
        for name in ("medicaid", "private")
    ]
    assert (views[0] > views[1]) == arrow
    assert (views[0] == views[1]) != arrow
