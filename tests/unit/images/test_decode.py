import io
import math
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from cxrfair.images import unreadable
from cxrfair.images.decode import UnreadableImageError, decode, error

RAMP = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)


@pytest.fixture
def grey():
    return Image.fromarray(RAMP)


def saved(image, path, **options):
    image.save(path, **options)
    return path


def refused(path, reason, size=32):
    with pytest.raises(UnreadableImageError) as caught:
        decode(path, size)
    assert str(caught.value) == reason


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth=8, data=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data))


def test_the_whole_image_is_kept_and_padded_with_black(tmp_path):
    shade = np.full((80, 40), 200, np.uint8)
    shade[40, 20] = 199  # one shade alone would be a blank picture
    pixels, width, height = decode(saved(Image.fromarray(shade), tmp_path / "a.png"), 32)
    assert (width, height) == (40, 80)
    assert pixels.shape == (32, 32)
    assert np.all(pixels[:, :8] == 0)
    assert np.all(pixels[:, 24:] == 0)
    assert np.all(pixels[:, 8:24] == 200)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_any_colour_mode_of_png_becomes_grey(tmp_path, grey, mode):
    expected, *_ = decode(saved(grey, tmp_path / "grey.png"), 64)
    pixels, *_ = decode(saved(grey.convert(mode), tmp_path / "other.png"), 64)
    assert np.abs(pixels.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_any_colour_mode_of_jpeg_becomes_grey(tmp_path, grey, mode):
    path = saved(grey.convert(mode), tmp_path / "a.jpg", quality=95)
    pixels, width, height = decode(path, 64)
    assert (width, height) == (64, 64)
    assert np.abs(pixels.astype(int) - RAMP).max() <= 4


def test_one_bit_is_black_and_white(tmp_path):
    halves = Image.fromarray(np.arange(32) < 16 * np.ones((32, 1), int))
    assert halves.mode == "1"
    pixels, *_ = decode(saved(halves, tmp_path / "a.png"), 32)
    np.testing.assert_array_equal(pixels[0], np.where(np.arange(32) < 16, 255, 0))


def test_an_orientation_flag_is_ignored(tmp_path, grey):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    plain, *_ = decode(saved(grey, tmp_path / "a.jpg", quality=95), 64)
    flagged, *_ = decode(saved(grey, tmp_path / "b.jpg", quality=95, exif=exif), 64)
    np.testing.assert_array_equal(plain, flagged)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [64, 224])
def test_a_large_jpeg_decoded_in_small_is_close_to_the_full_decode(tmp_path, size, progressive):
    rows, columns = np.mgrid[0:1500, 0:1200]
    smooth = 127 + 80 * np.sin(rows / 90) * np.cos(columns / 70)
    grain = np.random.default_rng(0).normal(0, 4, smooth.shape)
    image = Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
    path = saved(image, tmp_path / "a.jpg", quality=95, progressive=progressive)
    pixels, width, height = decode(path, size)
    assert (width, height) == (1200, 1500)
    narrow = round(size * 0.8)
    with Image.open(path) as full:
        expected = np.asarray(full.resize((narrow, size), Image.Resampling.LANCZOS))
    left = (size - narrow) // 2
    difference = np.abs(pixels[:, left : left + narrow].astype(int) - expected)
    assert difference.mean() < 0.6
    assert difference.max() <= 8


def test_what_cannot_be_read_says_why(tmp_path, grey):
    for kind in ("png", "jpg"):
        whole = saved(grey, tmp_path / f"whole.{kind}").read_bytes()
        (tmp_path / f"half.{kind}").write_bytes(whole[: len(whole) // 2])
        refused(tmp_path / f"half.{kind}", "truncated or damaged")
    for content in (b"", b"<html>404</html>", b"GIF89a" + bytes(100), b"II*\0" + bytes(100)):
        (tmp_path / "bad.png").write_bytes(content)
        refused(tmp_path / "bad.png", "not an image")
    refused(tmp_path / "absent.png", "missing")
    refused(tmp_path, "not a file")
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "not a file")


def test_other_formats_that_pillow_knows_are_not_tried(tmp_path, grey):
    for name in ("a.gif", "a.tiff", "a.bmp", "a.webp"):
        refused(saved(grey, tmp_path / name), "not an image")


def test_several_pictures_in_a_file_are_refused(tmp_path, grey):
    frames = [grey, Image.fromarray(255 - RAMP)]
    path = saved(frames[0], tmp_path / "a.png", save_all=True, append_images=frames[1:])
    refused(path, "more than one picture in the file")


def test_a_bomb_is_refused_before_it_takes_memory(tmp_path):
    bombs = {
        "huge.png": (png(60_000, 60_000), "more pixels than any X-ray has"),
        "wide.png": (png(2**31 - 1, 1), "more pixels than any X-ray has"),
        "none.png": (png(0, 5), "truncated or damaged"),
        "long.png": (
            png(9, 9, data=bytes(range(4)) * 12_500_000),
            None,
        ),  # a little picture, a lot of data
    }
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 100_000_000, zip=True)
    Image.fromarray(RAMP).save(tmp_path / "text.png", pnginfo=text)
    bombs["text.png"] = ((tmp_path / "text.png").read_bytes(), "truncated or damaged")
    for name, (content, reason) in bombs.items():
        (tmp_path / name).write_bytes(content)
        tracemalloc.start()
        if reason:
            refused(tmp_path / name, reason)
        else:
            decode(tmp_path / name, 16)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5_000_000, name


def test_a_huge_jpeg_is_refused_by_its_header(tmp_path, grey):
    data = bytearray(saved(grey, tmp_path / "a.jpg").read_bytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    (tmp_path / "a.jpg").write_bytes(data)
    refused(tmp_path / "a.jpg", "more pixels than any X-ray has")


def test_a_jpeg_of_very_many_scans_is_refused(tmp_path, grey):
    data = saved(grey, tmp_path / "a.jpg", progressive=True).read_bytes()
    first = data.index(b"\xff\xda")
    last = data.rindex(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(data[:last] + data[first:last] * 200 + data[last:])
    refused(tmp_path / "a.jpg", "truncated or damaged")


def test_a_file_longer_than_any_is_not_read(tmp_path):
    with (tmp_path / "long.png").open("wb") as file:
        file.truncate(unreadable.MAX_BYTES + 1)  # a hole: takes no room on the disk
    refused(tmp_path / "long.png", "a larger file than any X-ray")


def test_no_detector_is_refused():
    assert unreadable.MAX_PIXELS > 4 * 4280 * 3520 > 50_000_000


def test_pillow_is_never_told_to_fill_in_what_is_missing():
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def _files(make_dicom):
    buffers = {name: io.BytesIO() for name in ("PNG", "JPEG", "I;16")}
    small = Image.fromarray(RAMP)
    small.save(buffers["PNG"], "PNG")
    small.save(buffers["JPEG"], "JPEG", progressive=True)
    Image.fromarray(RAMP.astype(np.uint16) * 16).save(buffers["I;16"], "PNG")
    contents = [(buffer.getvalue(), ".png") for buffer in buffers.values()]
    values = RAMP.astype(np.uint16) * 16
    for syntax in (None, "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"):
        file = make_dicom(values, bits=12, WindowCenter="2000", WindowWidth="4000")
        if syntax:
            file.compress(syntax)
        buffer = io.BytesIO()
        file.save_as(buffer, enforce_file_format=True)
        contents.append((buffer.getvalue(), ".dcm"))
    return [*contents, (values.astype(">u2").tobytes(), ".IMG")]


@pytest.fixture(scope="module")
def files(make_dicom):
    return _files(make_dicom)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def decoded_or_refused(path, content):
    path.write_bytes(content)
    tracemalloc.start()
    reason = "no reason"
    try:
        shape = decode(path, 16)[0].shape
    except UnreadableImageError as error:
        shape, reason = (16, 16), str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert shape == (16, 16)
    assert 5 < len(reason) < 50
    assert peak < 80_000_000


START = st.sampled_from(
    [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", bytes(128) + b"DICM", b"\xff\xd8\xff\xe0\0\x10"]
)


@pytest.mark.filterwarnings("ignore:::pydicom")
@given(start=START, rest=st.binary(max_size=600), suffix=st.sampled_from([".png", ".dcm", ".IMG"]))
def test_no_bytes_are_more_than_refused(place, start, rest, suffix):
    decoded_or_refused(place / f"a{suffix}", start + rest)


@pytest.mark.filterwarnings("ignore:::pydicom")
@given(data=st.data())
def test_no_damage_is_more_than_refused(files, place, data):
    whole, suffix = data.draw(st.sampled_from(files))
    content = bytearray(whole)
    place_of = st.integers(0, len(content) - 1)
    for at, value in data.draw(st.lists(st.tuples(place_of, st.integers(0, 255)), max_size=6)):
        content[at] = value
    end = data.draw(st.one_of(st.just(len(content)), place_of))
    decoded_or_refused(place / f"b{suffix}", bytes(content[:end]))


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_picture_is_not_used(tmp_path, shade):
    Image.new("L", (40, 20), shade).save(tmp_path / "blank.png")
    with pytest.raises(UnreadableImageError, match="blank: all pixels alike"):
        decode(tmp_path / "blank.png", 16)


def test_an_error_is_defined_only_of_a_jpeg_that_is_decoded_at_less_than_its_size(tmp_path):
    grain = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 48)).astype(np.uint8))
    grain.save(tmp_path / "a.jpg")
    grain.save(tmp_path / "a.png")
    assert math.isnan(error(tmp_path / "a.jpg", 40))
    assert 0 < error(tmp_path / "a.jpg", 8) < 20
    assert math.isnan(error(tmp_path / "a.png", 8))
