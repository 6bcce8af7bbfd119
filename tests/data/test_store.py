"""Tests of the pixels of many images: decoded once, and kept in a cache."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded_images import ENCODED, NOISE, SMALL, encode, png_header, unsized, write_greys

from siamese_verify.data import store
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.store import load_images

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The contents of every file that is decoded from here on."""
    contents: list[bytes] = []
    decode = Preprocessing.decode

    def noting(self: Preprocessing, one: bytes, name: str = "image") -> np.ndarray:
        contents.append(one)
        return decode(self, one, name)

    monkeypatch.setattr(Preprocessing, "decode", noting)
    return contents


@pytest.mark.parametrize("cached", [False, True])
def test_each_file_is_decoded_once_and_lies_at_its_index(
    cached: bool, decoded: list[bytes], tmp_path: Path
):
    paths = write_greys(tmp_path, 70)[::-1]
    pixels = load_images(paths, SMALL, cache=tmp_path / "cache" if cached else None, verbose=False)
    assert (pixels.shape, pixels.dtype) == ((70, 6, 4, 1), np.uint8)
    np.testing.assert_array_equal(pixels[:, 0, 0, 0], np.arange(70, 0, -1))
    assert np.ptp(pixels, axis=(1, 2, 3)).max() == 0
    assert sorted(decoded) == sorted(path.read_bytes() for path in paths)


def test_many_files_are_decoded_as_each_alone(tmp_path: Path):
    paths = [tmp_path / kind for kind in ENCODED]
    for path in paths:
        path.write_bytes(ENCODED[path.name])
    preprocessing = Preprocessing((9, 8), channels=3, center_crop=(20, 20))
    pixels = load_images(paths, preprocessing, verbose=False)
    np.testing.assert_array_equal(pixels, [preprocessing.decode(one) for one in ENCODED.values()])


@pytest.mark.parametrize(
    ("bad", "contents", "reason"),
    [(0, b"", "empty"), (64, b"", "empty"), (69, png_header(60_000, 60_000), "over-large")],
)
def test_one_unusable_file_among_many_is_named(
    bad: int, contents: bytes, reason: str, tmp_path: Path
):
    paths = write_greys(tmp_path, 70)
    paths[bad].write_bytes(contents)
    with pytest.raises(ImageError, match=reason) as caught:
        load_images(paths, SMALL, verbose=False)
    assert str(caught.value).startswith(f"{paths[bad]} ")


def test_progress_is_shown_unless_it_is_not_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    paths = write_greys(tmp_path, 70)
    load_images(paths, SMALL, verbose=False)
    assert capsys.readouterr().out == ""
    load_images(paths, SMALL)
    shown = capsys.readouterr().out
    assert "64/70" in shown
    assert "70/70" in shown


def test_a_file_name_that_is_not_utf8_is_read(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"Jos\xe9.png")
    try:
        path.write_bytes(encode(NOISE, "PNG"))
    except OSError:
        pytest.skip("This file system takes UTF-8 names only.")
    pixels = load_images([path], unsized(3, NOISE.shape), verbose=False)
    np.testing.assert_array_equal(pixels[0], NOISE)


# --- The cache


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write_greys(tmp_path, 3)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "made" / "cache"


def load(paths: list[Path], cache: Path | None, preprocessing: Preprocessing = SMALL) -> np.ndarray:
    return load_images(paths, preprocessing, cache=cache, verbose=False)


def test_a_second_call_decodes_nothing(paths: list[Path], cache: Path, decoded: list[bytes]):
    first = load(paths, cache)
    assert len(decoded) == 3
    second = load(paths, cache)
    assert len(decoded) == 3
    np.testing.assert_array_equal(second, first)
    np.testing.assert_array_equal(second, load(paths, None))


def test_cached_pixels_are_mapped_and_read_only(paths: list[Path], cache: Path):
    for _ in range(2):
        pixels = load(paths, cache)
        assert isinstance(pixels, np.memmap)
        assert not pixels.flags.writeable


def test_moved_and_renamed_files_are_found_in_the_cache(
    paths: list[Path], cache: Path, tmp_path: Path, decoded: list[bytes]
):
    first = load(paths, cache)
    (tmp_path / "elsewhere").mkdir()
    moved = [path.rename(tmp_path / "elsewhere" / f"new {path.name}") for path in paths]
    np.testing.assert_array_equal(load(moved, cache), first)
    assert len(decoded) == 3


def change_a_file(paths: list[Path]) -> list[Path]:
    # The new file has the same length and time as the old file.
    before = paths[1].stat()
    contents = encode(np.full((6, 4), 200, np.uint8), "PNG")
    assert len(contents) == before.st_size
    paths[1].write_bytes(contents)
    os.utime(paths[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    return paths


@pytest.mark.parametrize(
    "change",
    [change_a_file, lambda paths: paths[::-1], lambda paths: paths[:2]],
    ids=["contents", "order", "fewer"],
)
def test_other_files_are_never_given_old_pixels(
    change: Callable[[list[Path]], list[Path]], paths: list[Path], cache: Path
):
    before = load(paths, cache).copy()
    changed = change(paths)
    after = load(changed, cache)
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(after, load(changed, None))


@pytest.mark.parametrize(
    "other",
    [
        Preprocessing((4, 6)),
        Preprocessing((6, 4), channels=3),
        Preprocessing((6, 4), center_crop=(2, 2)),
    ],
)
def test_other_settings_are_never_given_old_pixels(
    other: Preprocessing, cache: Path, tmp_path: Path
):
    path = tmp_path / "Ada.png"
    path.write_bytes(encode(NOISE, "PNG"))
    for preprocessing in (SMALL, other, SMALL):
        pixels = load([path], cache, preprocessing)
        np.testing.assert_array_equal(pixels[0], preprocessing.decode(path.read_bytes()))


def test_a_tighter_limit_holds_for_cached_images_too(paths: list[Path], cache: Path):
    load(paths, cache)
    with pytest.raises(ImageError, match="over-large"):
        load(paths, cache, Preprocessing((6, 4), max_pixels=23))


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole[:20],
        lambda whole: b"PK\x03\x04" + whole,
        lambda whole: whole.replace(b"}", b" "),
        lambda whole: whole.replace(b"|u1", b"|i1"),
    ],
    ids=["empty", "short", "header", "zip", "bracket", "type"],
)
def test_a_damaged_cache_file_is_made_again(
    damage: Callable[[bytes], bytes], paths: list[Path], cache: Path
):
    expected = load(paths, cache).copy()
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.unlink()  # Not overwritten: it could be mapped still.
    kept.write_bytes(damage(whole))
    assert kept.read_bytes() != whole
    pixels = load(paths, cache)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, expected)
    assert kept.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_place_of_a_cache_file_is_replaced(paths: list[Path], cache: Path):
    expected = load(paths, cache).copy()
    (kept,) = cache.iterdir()
    kept.unlink()
    os.mkfifo(kept)
    np.testing.assert_array_equal(load(paths, cache), expected)


def test_an_interrupted_write_leaves_nothing(
    paths: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(pixels: np.ndarray, *_: Any):
        pixels[0] = 7
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "_decode_into", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(paths, cache)
    assert list(cache.iterdir()) == []
    np.testing.assert_array_equal(load(paths, cache)[:, 0, 0, 0], [1, 2, 3])


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a small file system of its own")
def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path: Path):
    script = """
import sys
from pathlib import Path
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.store import load_images
path, cache = Path(sys.argv[1]), Path(sys.argv[2])
try:
    load_images([path] * 400, Preprocessing((105, 105)), cache=cache, verbose=False)
except OSError as error:
    print(error.strerror, len(list(cache.iterdir())))
"""
    (path,) = write_greys(tmp_path, 1)
    (tmp_path / "disk").mkdir()
    mounted = 'mount -t tmpfs -o size=2m tmpfs "$4" && exec "$0" "$1" "$2" "$3" "$4"'
    command = ["unshare", "-Urm", "sh", "-c", mounted, sys.executable, "-c", script, path]
    run = subprocess.run([*command, tmp_path / "disk"], capture_output=True, text=True)
    if "mount:" in run.stderr or "unshare:" in run.stderr:
        pytest.skip(f"Another file system cannot be made here: {run.stderr}")
    assert run.stdout == "No space left on device 0\n"


def test_an_unusable_image_leaves_nothing_in_the_cache(paths: list[Path], cache: Path):
    paths[1].write_bytes(b"")
    with pytest.raises(ImageError, match="empty"):
        load(paths, cache)
    assert list(cache.iterdir()) == []


@needs_lfw
@pytest.mark.slow
def test_every_real_image_decodes():
    paths = sorted((LFW / "lfw2").glob("*/*.jpg"))
    pixels = load_images(paths, Preprocessing(), verbose=False)
    assert pixels.shape == (8_234, 105, 105, 1)
    # No image is blank.
    assert np.ptp(pixels.reshape(len(pixels), -1), axis=1).min() > 50
