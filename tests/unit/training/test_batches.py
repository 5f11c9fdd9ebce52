"""Batches from a small store: what arrives, when it is read, and what becomes of failures."""

import dataclasses
import threading
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
import torch

from cxrfair.images.augment import AugmentConfig, augment, draws
from cxrfair.images.store import Store
from cxrfair.training import batches
from cxrfair.training.batches import DEPTH, Source, plain, stream
from cxrfair.training.examples import Examples
from cxrfair.training.guidance import Guidance
from cxrfair.training.sampling import Pick, Share, epoch_order, plan

CPU = torch.device("cpu")
N = 40
OFF = AugmentConfig(flip=0, rotation_degrees=0, shift=0, intensity=0, crop=0)
ON = AugmentConfig(flip=0.5, rotation_degrees=10, shift=0.1, intensity=0.2, crop=0.2)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "p.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (N, 12, 12), np.uint8))
    ids = [f"i{n}" for n in range(N)]
    return Store(path, pd.DataFrame({"image_id": ids, "row": range(N), "quarantine": None}))


@pytest.fixture(scope="module")
def examples():
    """Every example's row is another than its place, and some images are listed twice."""
    draw = np.random.default_rng(1)
    row = draw.permutation(N)
    row[5] = row[6]
    target = draw.random((N, 2)).astype(np.float32)
    target[3, 0] = np.nan
    return Examples(row, target, row % 3, np.ones(N), draw.integers(0, 2**62, N))


class Watched:
    """A store that notes what is asked of it, and may fail at one read or ask leave for each."""

    def __init__(self, store, fail_at=None, leave=None):
        self.store, self.fail_at, self.leave = store, fail_at, leave
        self.asked = []
        self.threads = set()
        self.more = threading.Condition()

    def read(self, rows):
        if self.leave is not None:
            self.leave.acquire()
        self.threads.add(threading.current_thread().name)
        with self.more:
            self.asked.append(rows)
            self.more.notify()
        if len(self.asked) - 1 == self.fail_at:
            raise OSError("the disk is gone")
        return self.store.read(rows)

    def waited_for(self, count):
        with self.more:
            return self.more.wait_for(lambda: len(self.asked) == count, timeout=30)


def steps_of(size=8, share=None, epoch=1):
    order = epoch_order(np.ones(N), None, 0, epoch)
    return plan(order, size, share or Share())


def test_a_batch_is_what_the_examples_say(store, examples):
    source = Source(examples, store, OFF, CPU)
    steps = steps_of()
    found = list(stream(source, steps, 0, 1))
    assert [len(step) for step in found] == [1] * 5
    for (pick,), (batch,) in zip(steps, found, strict=True):
        pixels = store.read(examples.row[pick.example])
        assert batch.image.dtype == torch.float32
        assert batch.image.is_contiguous(memory_format=torch.channels_last)
        np.testing.assert_array_equal(batch.image[:, 0], (pixels / np.float32(255)))
        np.testing.assert_array_equal(batch.target, examples.target[pick.example])
        np.testing.assert_array_equal(batch.group, examples.group[pick.example])
        np.testing.assert_array_equal(batch.index, pick.example)


def test_a_batch_can_be_written_to_without_harm(store, examples):
    steps = steps_of()
    kept = [pick.example.copy() for (pick,) in steps]
    for (batch,) in stream(Source(examples, store, OFF, CPU), steps, 0, 1):
        for each in (batch.image, batch.target, batch.group, batch.index):
            each.zero_()
    assert examples.target[0].any()
    for one, (pick,) in zip(kept, steps, strict=True):
        np.testing.assert_array_equal(one, pick.example)


def test_augmentation_is_that_of_seed_epoch_key_and_occurrence(store, examples):
    pick = Pick(np.array([4, 9, 4]), np.array([0, 0, 1]))
    ((batch,),) = stream(Source(examples, store, ON, CPU), [[pick]], 3, 7)
    uniform = draws(3, 7, examples.key[pick.example], pick.occurrence)
    (still,) = plain(store, [examples.row[pick.example]], CPU)
    expected = augment(still, uniform, ON)
    assert torch.equal(batch.image, expected)
    assert not torch.allclose(batch.image[0], batch.image[2])


def test_processes_and_pieces_get_the_bytes_that_one_alone_gets(store, examples):
    source = Source(examples, store, ON, CPU)
    alone = [batch for (batch,) in stream(source, steps_of(), 0, 1)]
    for rank in range(2):
        shared = stream(source, steps_of(share=Share(rank, 2, 2)), 0, 1)
        for one, held in zip(alone, shared, strict=True):
            assert len(held) == 2
            assert torch.equal(torch.cat([piece.image for piece in held]), one.image[rank::2])
            assert torch.equal(torch.cat([piece.index for piece in held]), one.index[rank::2])


def test_a_resume_gets_the_bytes_of_the_rest(store, examples):
    source = Source(examples, store, ON, CPU)
    whole = list(stream(source, steps_of(), 0, 1))
    again = list(stream(source, steps_of()[3:], 0, 1))
    assert len(again) == 2
    for (one,), (other,) in zip(whole[3:], again, strict=True):
        assert torch.equal(one.image, other.image)


def test_reading_is_done_elsewhere_and_only_so_far_ahead(store, examples):
    watched = Watched(store)
    with closing(stream(Source(examples, watched, OFF, CPU), steps_of(), 0, 1)) as found:
        assert watched.asked == []
        next(found)
        next(found)
    assert 2 <= len(watched.asked) <= 2 + DEPTH
    assert all(name.startswith("images") for name in watched.threads)


def test_everything_asked_for_is_read_once_in_order_and_nothing_else(store, examples):
    watched = Watched(store)
    steps = steps_of(share=Share(0, 1, 2))
    list(stream(Source(examples, watched, OFF, CPU), steps, 0, 1))
    expected = [examples.row[pick.example] for step in steps for pick in step]
    assert len(watched.asked) == len(expected)
    for one, other in zip(watched.asked, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_next_steps_are_read_while_one_is_in_use(store, examples):
    watched = Watched(store)
    with closing(stream(Source(examples, watched, OFF, CPU), steps_of(), 0, 1)) as found:
        next(found)
        assert watched.waited_for(1 + DEPTH)


def reading():
    return [t for t in threading.enumerate() if t.name.startswith("images")]


def test_a_failure_of_the_thread_arrives_at_the_step_it_belongs_to(store, examples):
    watched = Watched(store, fail_at=2)
    found = stream(Source(examples, watched, OFF, CPU), steps_of(), 0, 1)
    next(found)
    next(found)
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)
    assert reading() == []
    with pytest.raises(StopIteration):
        next(found)


def test_closing_early_ends_the_thread_and_reads_no_more(store, examples):
    found = stream(Source(examples, Watched(store), OFF, CPU), steps_of(size=2), 0, 1)
    next(found)
    assert len(reading()) == 1
    found.close()
    assert reading() == []


def test_closing_while_a_read_is_under_way_drops_what_waits(store, examples):
    leave = threading.Semaphore(1)
    watched = Watched(store, leave=leave)
    found = stream(Source(examples, watched, OFF, CPU), steps_of(size=2), 0, 1)
    next(found)
    threading.Timer(0.05, leave.release, (5,)).start()
    found.close()
    assert reading() == []
    assert len(watched.asked) <= 2


def test_an_error_of_the_consumer_ends_the_thread(store, examples):
    def consume():
        with closing(stream(Source(examples, store, OFF, CPU), steps_of(), 0, 1)) as found:
            for _ in found:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert reading() == []


def test_a_stream_nobody_asks_reads_nothing(store, examples):
    watched = Watched(store)
    stream(Source(examples, watched, OFF, CPU), steps_of(), 0, 1).close()
    assert watched.asked == []
    assert list(stream(Source(examples, watched, OFF, CPU), [], 0, 1)) == []


def test_plain_images_come_chunk_by_chunk(store):
    chunks = [np.array([3, 1]), np.array([0]), np.array([39, 38, 37])]
    found = list(plain(store, chunks, CPU))
    for rows, each in zip(chunks, found, strict=True):
        assert each.shape == (len(rows), 1, 12, 12)
        np.testing.assert_array_equal(each[:, 0], store.read(rows) / np.float32(255))


def test_everything_arrives_on_the_device_and_nothing_waits_for_it(store, examples):
    # Tensors without data stand in for a GPU's: asking for a value of theirs fails.
    meta = torch.device("meta")
    for (batch,) in stream(Source(examples, store, ON, meta), steps_of(), 0, 1):
        kinds = {each.device.type for each in (batch.image, batch.target, batch.group, batch.index)}
        assert kinds == {"meta"}


def test_for_a_gpu_the_thread_holds_pinned_memory_of_that_gpu(store, examples, monkeypatch):
    pinned, chosen = [], []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda t: pinned.append(t.dtype) or t)
    monkeypatch.setattr(
        torch.cuda, "set_device", lambda d: chosen.append((d, threading.current_thread().name))
    )
    gpu = torch.device("cuda", 1)
    source = Source(examples, store, OFF, gpu)
    with closing(batches._ahead(lambda p: batches._read(source, p), [np.arange(3)], gpu)) as found:
        held = next(found)
    assert held.values.dtype == torch.uint8
    assert pinned == [torch.uint8, torch.float32, torch.int64, torch.int64]
    ((device, thread),) = chosen
    assert device == gpu
    assert thread.startswith("images")


MASKS = 7


@pytest.fixture(scope="module")
def guided(store, examples, tmp_path_factory):
    """Examples of which some are guided, by masks that are the pictures of some of them."""
    path = tmp_path_factory.mktemp("masks") / "m.npy"
    np.save(path, (store.read(examples.row[:MASKS]) > 127).astype(np.uint8))
    row = np.full((N, 2), -1)
    row[:MASKS, 1] = np.arange(MASKS)
    row[2, 0] = 5
    return dataclasses.replace(examples, guidance=Guidance(row, np.load(path, mmap_mode="r")))


def test_without_guidance_there_are_no_masks(store, examples):
    for (batch,) in stream(Source(examples, store, ON, CPU), steps_of(), 3, 4):
        assert batch.mask is None
        assert batch.guided is None
        assert (batch.seed, batch.epoch) == (3, 4)


def test_guidance_changes_no_other_byte_of_a_batch(store, examples, guided):
    plainly, with_masks = (
        [batch for (batch,) in stream(Source(known, store, ON, CPU), steps_of(), 0, 1)]
        for known in (examples, guided)
    )
    for one, other in zip(plainly, with_masks, strict=True):
        for name in ("image", "target", "group", "index"):
            assert torch.equal(
                getattr(one, name).nan_to_num(-1.0), getattr(other, name).nan_to_num(-1.0)
            )


def test_masks_are_those_of_the_guided_pairs_and_empty_elsewhere(store, guided):
    held = guided.guidance
    for (batch,) in stream(Source(guided, store, OFF, CPU), steps_of(), 0, 1):
        row = held.row[batch.index.numpy()]
        assert batch.mask.shape == (len(row), 2, 12, 12)
        assert batch.mask.dtype == torch.float32
        np.testing.assert_array_equal(batch.guided, row >= 0)
        for example, label in np.argwhere(row >= 0):
            np.testing.assert_array_equal(
                batch.mask[example, label], held.masks[row[example, label]]
            )
        assert not batch.mask[~batch.guided].any()


def test_a_batch_that_nobody_is_guided_in_has_masks_all_the_same(store, guided):
    pick = Pick(np.array([20, 30, 25]), np.zeros(3, np.int64))
    ((batch,),) = stream(Source(guided, store, ON, CPU), [[pick]], 0, 1)
    assert batch.mask.shape == (3, 2, 12, 12)
    assert not batch.mask.any()
    assert not batch.guided.any()


def test_a_mask_moves_with_its_image_in_every_occurrence_and_epoch(store, guided):
    geometry = ON.model_copy(update={"intensity": 0.0})
    pick = Pick(np.array([4, 2, 20, 4]), np.array([0, 0, 0, 1]))
    found = []
    for epoch in (1, 2):
        ((batch,),) = stream(Source(guided, store, geometry, CPU), [[pick]], 9, epoch)
        drawn = torch.from_numpy(np.asarray(guided.guidance.masks[[4, 2, 4]])).float()
        uniform = draws(9, epoch, guided.key[pick.example], pick.occurrence)[[0, 1, 3]]
        # As an image it would be moved just so.
        expected = augment(drawn.unsqueeze(1), uniform, geometry)[:, 0]
        assert torch.equal(batch.mask[[0, 1, 3], 1], expected)
        found.append(batch.mask)
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[0][0], found[0][3])


def test_processes_and_pieces_get_the_masks_that_one_alone_gets(store, guided):
    source = Source(guided, store, ON, CPU)
    alone = [batch for (batch,) in stream(source, steps_of(), 0, 1)]
    for rank in range(2):
        shared = stream(source, steps_of(share=Share(rank, 2, 2)), 0, 1)
        for one, held in zip(alone, shared, strict=True):
            assert torch.equal(torch.cat([piece.mask for piece in held]), one.mask[rank::2])
            assert torch.equal(torch.cat([piece.guided for piece in held]), one.guided[rank::2])


def test_a_resume_gets_the_masks_of_the_rest(store, guided):
    source = Source(guided, store, ON, CPU)
    whole = list(stream(source, steps_of(), 0, 1))
    again = list(stream(source, steps_of()[3:], 0, 1))
    for (one,), (other,) in zip(whole[3:], again, strict=True):
        assert torch.equal(one.mask, other.mask)


class Map:
    """Masks that note which of them are read, and where."""

    def __init__(self, values):
        self.values, self.asked, self.threads = values, [], set()

    def __getitem__(self, rows):
        self.asked += rows.tolist()
        self.threads.add(threading.current_thread().name)
        return self.values[rows]


def test_only_masks_of_guided_pairs_are_read_and_elsewhere(store, guided):
    noted = Map(guided.guidance.masks)
    watched = dataclasses.replace(guided, guidance=Guidance(guided.guidance.row, noted))
    list(stream(Source(watched, store, OFF, CPU), steps_of(), 0, 1))
    assert sorted(noted.asked) == sorted([*range(MASKS), 5])
    assert all(name.startswith("images") for name in noted.threads)


def test_masks_arrive_on_the_device_and_nothing_waits_for_it(store, guided):
    meta = torch.device("meta")
    for (batch,) in stream(Source(guided, store, ON, meta), steps_of(), 0, 1):
        assert {batch.mask.device.type, batch.guided.device.type} == {"meta"}
