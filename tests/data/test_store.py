"""Tests of the pixels of many images: decoded once, and kept in a cache."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from encoded_images import ENCODED, NOISE, SMALL, encode, png_header, unsized, write_greys

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.image_cache import CacheWriter, ImageCache
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.store import load_images
from siamese_verify.data.stored_images import StoredImages

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


def load(
    paths: list[Path], cache: Path | ImageCache | None, preprocessing: Preprocessing = SMALL
) -> np.ndarray:
    images, failures = load_images(paths, preprocessing, cache=cache, verbose=False)
    assert not failures
    assert isinstance(images, np.ndarray if cache is None else StoredImages)
    return np.asarray(images)


@pytest.mark.parametrize("cached", [False, True])
def test_each_file_is_decoded_once_and_lies_at_its_index(
    cached: bool, decoded: list[bytes], tmp_path: Path
):
    paths = write_greys(tmp_path, 70)[::-1]
    pixels = load(paths, tmp_path / "cache" if cached else None)
    assert (pixels.shape, pixels.dtype) == ((70, 6, 4, 1), np.uint8)
    np.testing.assert_array_equal(pixels[:, 0, 0, 0], np.arange(70, 0, -1))
    assert np.ptp(pixels, axis=(1, 2, 3)).max() == 0
    assert sorted(decoded) == sorted(path.read_bytes() for path in paths)


def test_many_files_are_decoded_as_each_alone(tmp_path: Path):
    paths = [tmp_path / kind for kind in ENCODED]
    for path in paths:
        path.write_bytes(ENCODED[path.name])
    preprocessing = Preprocessing((9, 8), channels=3, center_crop=(20, 20))
    pixels = load(paths, None, preprocessing)
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


BAD = {3: (b"", "empty"), 40: (png_header(60_000, 60_000), "over-large"), 66: (None, "No such")}


def spoil(paths: list[Path]) -> None:
    for row, (contents, _) in BAD.items():
        paths[row].unlink()
        if contents is not None:
            paths[row].write_bytes(contents)
    # TensorFlow's graph is the first to find that this JPEG is damaged.
    jpeg = encode(NOISE, "JPEG")
    paths[50].write_bytes(jpeg[: len(jpeg) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("cached", [False, True])
def test_all_unusable_files_are_named_in_one_error(cached: bool, tmp_path: Path):
    paths = write_greys(tmp_path, 70)
    spoil(paths)
    with pytest.raises(ImageError, match="4 of 70 images cannot be read") as caught:
        load(paths, tmp_path / "cache" if cached else None)
    for row, (_, reason) in BAD.items():
        assert any(
            str(paths[row]) in line and reason in line for line in str(caught.value).splitlines()
        )
    assert str(paths[50]) in str(caught.value)


def test_an_error_of_many_files_names_ten(tmp_path: Path):
    paths = [tmp_path / f"{i:02}.png" for i in range(30)]
    for path in paths:
        path.write_bytes(b"")
    with pytest.raises(ImageError, match=r"(?s)30 of 30 images.*and 20 more") as caught:
        load(paths, None)
    assert [str(path) in str(caught.value) for path in paths] == [True] * 10 + [False] * 20


@pytest.mark.parametrize("cached", [False, True])
def test_unusable_files_can_be_skipped(cached: bool, tmp_path: Path):
    paths = write_greys(tmp_path, 70)
    spoil(paths)
    cache = tmp_path / "cache" if cached else None
    images, failures = load_images(paths, SMALL, cache=cache, on_error="skip", verbose=False)
    assert list(failures) == [3, 40, 50, 66]
    kept = [row for row in range(70) if row not in failures]
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.array(kept) + 1)


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
    pixels = load([path], None, unsized(3, NOISE.shape))
    np.testing.assert_array_equal(pixels[0], NOISE)


# --- The cache


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write_greys(tmp_path, 3)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "made" / "cache"


def test_a_second_call_decodes_nothing(paths: list[Path], cache: Path, decoded: list[bytes]):
    first = load(paths, cache)
    assert len(decoded) == 3
    second = load(paths, cache)
    assert len(decoded) == 3
    np.testing.assert_array_equal(second, first)
    np.testing.assert_array_equal(second, load(paths, None))


def test_one_new_image_decodes_one_image(paths: list[Path], cache: Path, decoded: list[bytes]):
    load(paths[:2], cache)
    assert len(decoded) == 2
    np.testing.assert_array_equal(load(paths[::-1], cache)[:, 0, 0, 0], [3, 2, 1])
    assert len(decoded) == 3
    assert len(list(cache.iterdir())) == 1  # The new image is added to the file.


def test_equal_files_are_decoded_and_kept_once(
    paths: list[Path], cache: Path, tmp_path: Path, decoded: list[bytes]
):
    copies = [Path(shutil.copy(path, tmp_path / f"copy {path.name}")) for path in paths]
    assert load([*copies, *paths], cache)[:, 0, 0, 0].tolist() == [1, 2, 3, 1, 2, 3]
    assert len(decoded) == 3


def test_cached_pixels_are_read_only_and_not_in_memory(paths: list[Path], cache: Path):
    for _ in range(2):
        images, _ = load_images(paths, SMALL, cache=cache, verbose=False)
        one = images[0]
        assert not one.flags.writeable
        while isinstance(one.base, np.ndarray):
            one = one.base
        assert isinstance(one, np.memmap)


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
    before = load(paths, cache)
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
        lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
        lambda whole: whole[:12] + bytes([whole[12] ^ 1]) + whole[13:],
        lambda whole: whole[:17] + bytes([whole[17] ^ 1]) + whole[18:],
    ],
    ids=["empty", "short", "header", "zip", "pixel", "checksum", "key"],
)
def test_damaged_images_in_the_cache_are_decoded_again(
    damage: Callable[[bytes], bytes], paths: list[Path], cache: Path, decoded: list[bytes]
):
    expected = load(paths, cache)
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.unlink()  # Not overwritten: it could be mapped still.
    kept.write_bytes(damage(whole))
    assert kept.read_bytes() != whole
    np.testing.assert_array_equal(load(paths, cache), expected)
    assert len(decoded) == 6 or damage(whole)[17:] != whole[17:]
    assert len(decoded) > 3
    decoded.clear()
    np.testing.assert_array_equal(load(paths, cache), expected)
    assert not decoded


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_place_of_a_cache_file_is_passed_over(paths: list[Path], cache: Path):
    expected = load(paths, cache)
    (kept,) = cache.iterdir()
    kept.unlink()
    os.mkfifo(kept)
    np.testing.assert_array_equal(load(paths, cache), expected)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_interrupted_run_keeps_the_images_that_were_decoded(
    kind: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    paths = [tmp_path / str(i) for i in range(250)]
    for grey, path in enumerate(paths):
        path.write_bytes(encode(np.full((6, 4), grey, np.uint8), kind))
    saved: list[bytes] = []
    add = CacheWriter.add

    def interrupting(self: CacheWriter, key: bytes, pixels: np.ndarray) -> None:
        if len(saved) == 192:
            raise KeyboardInterrupt
        saved.append(key)
        add(self, key, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(CacheWriter, "add", interrupting)
        with pytest.raises(KeyboardInterrupt):
            load(paths, cache)
    added: list[bytes] = []
    monkeypatch.setattr(CacheWriter, "add", lambda self, *x: (added.append(x[0]), add(self, *x)))
    np.testing.assert_array_equal(load(paths, cache), load(paths, None))
    assert len(set(added) & set(saved)) == 0
    assert len(added) <= 50 + 64  # JPEGs are handed out in chunks.


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a small file system of its own")
def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path: Path):
    script = """
import sys
from pathlib import Path
sys.modules.update(matplotlib=None, sklearn=None)  # Keras would import them, for seconds.
import numpy as np
import tensorflow as tf
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.store import load_images
folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
paths = [folder / f"{i}.png" for i in range(400)]
for i, path in enumerate(paths):
    pixels = np.array([[[i // 256], [i % 256]]], np.uint8)
    path.write_bytes(tf.io.encode_png(pixels).numpy())
try:
    load_images(paths, Preprocessing((105, 105)), cache=cache, verbose=False)
except OSError as error:
    print(error.strerror)
"""
    (tmp_path / "disk").mkdir()
    mounted = 'mount -t tmpfs -o size=2m tmpfs "$4" && exec "$0" "$1" "$2" "$3" "$4"'
    command = ["unshare", "-Urm", "sh", "-c", mounted, sys.executable, "-c", script, tmp_path]
    run = subprocess.run([*command, tmp_path / "disk"], capture_output=True, text=True)
    if "mount:" in run.stderr or "unshare:" in run.stderr:
        pytest.skip(f"Another file system cannot be made here: {run.stderr}")
    assert run.stdout == "No space left on device\n", run.stderr


def test_unusable_images_leave_the_others_in_the_cache(
    paths: list[Path], cache: Path, decoded: list[bytes]
):
    paths[1].write_bytes(b"")
    with pytest.raises(ImageError, match="empty"):
        load(paths, cache)
    decoded.clear()
    assert load([paths[0], paths[2]], cache)[:, 0, 0, 0].tolist() == [1, 3]
    assert not decoded


@needs_lfw
@pytest.mark.slow
def test_every_real_image_decodes():
    paths = sorted((LFW / "lfw2").glob("*/*.jpg"))
    pixels = load(paths, None, Preprocessing())
    assert pixels.shape == (8_234, 105, 105, 1)
    # No image is blank.
    assert np.ptp(pixels.reshape(len(pixels), -1), axis=1).min() > 50
