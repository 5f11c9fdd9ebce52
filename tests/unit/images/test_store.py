import numpy as np
import pandas as pd
import pytest

from cxrfair.config import ConfigError
from cxrfair.errors import CxrfairError
from cxrfair.images.store import ImageConfig, QuarantineError, Store, refuse_if_too_many, summary

CONFIG = ImageConfig(size=16, shards=1, max_quarantined=0.5)


@pytest.fixture
def store(tmp_path):
    shades = np.array([10, 0, 20], np.uint8)
    np.save(tmp_path / "p.npy", np.broadcast_to(shades[:, None, None], (3, 16, 16)))
    index = pd.DataFrame(
        {"image_id": ["a", "b", "c"], "row": [0, None, 2], "quarantine": [None, "missing", None]}
    )
    return Store(tmp_path / "p.npy", index)


def test_pixels_are_found_by_image_id_whatever_the_order(store):
    images = store.read(store.rows(["c", "a", "c"]))
    assert images.shape == (3, 16, 16)
    assert images.dtype == np.uint8
    assert images[:, 0, 0].tolist() == [20, 10, 20]
    assert store.size == 16


@pytest.mark.parametrize("wanted", [["b"], ["a", "nobody"]])
def test_what_could_not_be_read_or_is_not_there_is_never_served(store, wanted):
    with pytest.raises(CxrfairError, match="1 ids it does not hold; has 2"):
        store.rows(wanted)


def test_too_many_bad_images_stop_the_run_and_leave_the_list(tmp_path):
    index = pd.DataFrame(
        {"image_id": ["i0", "i1", "i2"], "quarantine": [None, "missing", "missing"]}
    )
    listed = tmp_path / "refused.csv"
    with pytest.raises(QuarantineError, match=r"2 of 3 cannot be read \(2 missing\).*0.5"):
        refuse_if_too_many(index, CONFIG, listed)
    assert pd.read_csv(listed)["image_id"].tolist() == ["i1", "i2"]
    refuse_if_too_many(index, CONFIG.model_copy(update={"max_quarantined": 0.7}), listed)
    assert not listed.exists()


def test_there_is_at_least_one_shard():
    with pytest.raises(ConfigError, match=r"images\.shards"):
        ImageConfig.parse('{"size": 16, "shards": 0, "max_quarantined": 0.1}', "images")


def test_a_store_is_summed_up_for_the_report():
    index = pd.DataFrame(
        {"quarantine": ["missing", None, None, None], "decode_error": [None, 0.25, None, 0.75]}
    )
    assert summary(index) == {
        "images": 4,
        "quarantined": 1,
        "sampled": 2,
        "decode_error": 0.5,
        "decode_error_worst": 0.75,
    }
    assert summary(index[:1])["decode_error"] is None
