import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cxrfair.phantom import acquisition, anatomy, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.population import FINDINGS

PROFILE = Profile("test", 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, True)
SIZE = 64


def _scene(config):
    return pd.concat(scene.blocks(config, PROFILE), ignore_index=True)


def _pictures(rows, size=SIZE):
    return np.concatenate([pictures.grey for _, pictures in scene.batches(rows, size)])


@pytest.fixture(scope="module")
def built(make_config):
    return _scene(make_config(patients=120))


def _alone(built, finding, count=6):
    """Return frontal rows with one finding only, and the same rows where it does not show."""
    others = [name for name in FINDINGS if name != finding]
    rows = built[built[finding] & ~built[others].any(axis=1) & ~built["lateral"]].head(count)
    assert len(rows) >= 2
    return rows, rows.assign(**{f"{finding}_load": 0.0})


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


@pytest.mark.parametrize("finding", sorted({*FINDINGS} - {"cardiomegaly"}))
def test_a_finding_changes_pixels_under_its_mask_only(built, finding):
    rows, without = _alone(built, finding)
    shown, hidden = scene.draw(rows, SIZE), scene.draw(without, SIZE)
    _, masks = shown.masks[finding]
    difference = shown.grey.astype(int) - hidden.grey
    assert (difference[masks < 1e-4] == 0).all()
    core = difference[masks > 0.5]
    assert core.size > 0
    darker = finding == "pneumothorax"
    assert core.mean() < -2 if darker else core.mean() > 4


def test_cardiomegaly_is_a_wider_heart(built):
    rows = built[~built["cardiomegaly"] & ~built["lateral"]].head(20).assign(cardiomegaly=True)
    wide = rows.assign(heart_ratio=rows["heart_ratio"] * 1.25)
    small, large = (
        [box["cardiomegaly"][2] for box in scene.boxes(scene.draw(frame, SIZE))]
        for frame in (rows, wide)
    )
    assert np.mean(large) > np.mean(small) + 0.05


def test_the_setting_makes_ill_hearts_wide(make_config):
    plain, faint = (
        _scene(make_config(patients=80, finding_contrast=contrast)) for contrast in (1.0, 0.0)
    )
    ill = plain["cardiomegaly"]
    assert (plain["heart_ratio"][ill] > faint["heart_ratio"][ill] + 0.02).all()
    assert (plain["heart_ratio"][~ill] == faint["heart_ratio"][~ill]).all()


def test_contrast_zero_hides_every_finding(make_config):
    config = make_config(patients=40, finding_contrast=0.0)
    rows = _scene(config)
    healthy = rows.assign(**dict.fromkeys(FINDINGS, False))
    np.testing.assert_array_equal(_pictures(rows), _pictures(healthy))


def test_masks_lie_at_the_same_place_at_every_size(built):
    rows, _ = _alone(built, "pleural_effusion")
    small, large = (scene.draw(rows, size).masks["pleural_effusion"][1] for size in (48, 192))
    shrunk = large.reshape(len(rows), 48, 4, 48, 4).mean(axis=(2, 4))
    assert np.abs(shrunk - small).mean() < 0.01


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


def _probe(config, attribute, value):
    """Return the cross-validated AUROC of a linear probe on 16 x 16 pixels, by patient."""
    rows = _scene(config).query("not lateral and study == 0")
    pixels = _pictures(rows, 32).reshape(len(rows), 16, 2, 16, 2).mean(axis=(2, 4))
    x, y = pixels.reshape(len(rows), -1), (rows[attribute] == value).to_numpy()
    half = len(rows) // 2
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=300))
    return roc_auc_score(y[half:], probe.fit(x[:half], y[:half]).decision_function(x[half:]))


@pytest.mark.parametrize(("attribute", "value"), [("sex", "female"), ("race", "white")])
def test_pixels_tell_the_attribute_only_if_its_paths_are_open(make_config, attribute, value):
    half = {"race_shares": {"white": 0.5, "black": 0.5, "hispanic": 0, "asian": 0, "other": 0}}
    half["female_share"] = 0.5
    shut = {"direct_path": {attribute: 0.0}, "indirect_path": {attribute: 0.0}}
    wide = {"direct_path": {attribute: 2.0}}
    closed = _probe(make_config(patients=700, **half, **shut), attribute, value)
    opened = _probe(make_config(patients=700, **half, **wide), attribute, value)
    assert abs(closed - 0.5) < 0.09  # two standard errors of an AUROC on 350 images
    assert opened > 0.8
