"""Test images under interventions, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cxrfair import tables
from cxrfair.phantom import PhantomConfig, worlds, write
from cxrfair.scales import at_scale
from cxrfair.stages._cli import call
from cxrfair.stages.intervene import intervene

STUDY = {
    **{"datasets": ["chexpert"], "labels": ["edema"], "attributes": ["sex"], "reference": "erm"},
    **{"variants": {"erm": {"method": "erm"}}, "seeds": [0]},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory, repo):
    """The settings and the truth of a small phantom."""
    demo = at_scale(yaml.safe_load((repo / "params.yaml").read_text())["phantom"], "demo")
    config = json.dumps({**demo, "patients": 6, "image_size": 32})
    folder = tmp_path_factory.mktemp("phantom")
    write("chexpert", PhantomConfig.parse(config, "phantom"), folder / "x", folder / "truth")
    return config, folder / "truth"


@pytest.fixture
def run(written, tmp_path, monkeypatch):
    """Run the stage in an empty folder; return the ids of the images it is given."""
    monkeypatch.chdir(tmp_path)
    config, truth = written
    ids = pd.read_parquet(truth)["image_id"].tolist()
    folds = ["test" if i % 2 else "train" for i in range(len(ids))]
    splits = pd.DataFrame({"image_id": ids, "fold": folds, "cell": "x"})
    tables.SPLITS.write(splits, Path("splits"))

    def go(dataset="chexpert", **effects):
        study = json.dumps({**STUDY, "effects": effects})
        flags = {"dataset": dataset, "study": study, "config": config, "size": 16}
        flags |= {"truth": truth, "splits": "splits", "pixels": "x.npy", "index": "x.parquet"}
        call(intervene, [text for k, v in flags.items() for text in (f"--{k}", str(v))])
        return sorted(ids[1::2])

    return go


def test_every_test_image_is_made_in_every_world_of_every_attribute(run, capfd):
    ids = run(sex=["male", "female"], race=["white", "black"])
    index = tables.INTERVENTIONS.read(Path("x.parquet"))
    pixels = np.load("x.npy")
    assert pixels.shape == (8 * len(ids), 16, 16)
    assert pixels.dtype == np.uint8
    assert sorted(index["row"]) == list(range(len(pixels)))
    sizes = index.groupby(["attribute", "shown", "ill"])["image_id"].agg(list)
    assert len(sizes) == 8
    assert all(found == ids for found in sizes)
    rows = index.set_index(["attribute", "shown", "ill"])["row"]
    male, shown = (pixels[rows["sex", value, "male"]] for value in ("male", "female"))
    assert (male != shown).any(axis=(1, 2)).all()
    assert f"interventions on chexpert: {len(pixels)} in" in capfd.readouterr().err


def test_pictures_are_the_same_every_time(run):
    run(sex=["male", "female"])
    first = [Path(name).read_bytes() for name in ("x.npy", "x.parquet")]
    run(sex=["male", "female"])
    assert [Path(name).read_bytes() for name in ("x.npy", "x.parquet")] == first


@pytest.mark.parametrize(
    ("dataset", "effects", "words"),
    [
        ("chexpert", {"sex": ["male", "F"]}, "effects.sex: 'F'; one of female, male"),
        ("chexpert", {"sex": ["male", "male"]}, "effects.sex: 'male' twice; two of female, male"),
        ("mimic_iv", {"sex": ["male", "female"]}, "no pictures of 'mimic_iv'"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_read(run, dataset, effects, words):
    Path("splits").unlink()
    with pytest.raises(SystemExit, match=words):
        run(dataset, **effects)
    assert list(Path().iterdir()) == []


def test_pictures_are_there_whole_or_not_at_all(run, monkeypatch):
    def fail(*_args):
        raise worlds.PhantomError("half way")

    monkeypatch.setattr(worlds, "render", fail)
    with pytest.raises(SystemExit, match="half way"):
        run(sex=["male", "female"])
    assert [path.name for path in Path().iterdir()] == ["splits"]
