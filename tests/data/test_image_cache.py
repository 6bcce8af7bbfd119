"""Tests of the cache's size, and of several writers."""

import os
from pathlib import Path

import numpy as np
import pytest
from encoded_images import SMALL, write_greys

from siamese_verify.data.image_cache import ImageCache
from siamese_verify.data.store import load_images

IMAGE = 6 * 4


def load(paths: list[Path], cache: ImageCache) -> np.ndarray:
    return load_images(paths, SMALL, cache=cache, verbose=False)[0][:, 0, 0, 0]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_size_is_kept_and_the_images_used_longest_ago_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    paths = write_greys(tmp_path, 40)
    folder = tmp_path / "cache"
    cache = ImageCache(folder, max_bytes=50 * IMAGE)
    now = iter(range(1_000_000, 2_000_000))
    # Files differ in time by a second, whatever the file system's clock.
    set_time = os.utime
    monkeypatch.setattr(os, "utime", lambda path: set_time(path, (next(now),) * 2))
    for part in (paths[:10], paths[10:20], paths[:10], paths[20:30]):
        load(part, cache)
        assert size(folder) <= cache.max_bytes
    added: list[bytes] = []
    decode = type(SMALL).decode
    monkeypatch.setattr(
        type(SMALL), "decode", lambda self, one, name="": (added.append(one), decode(self, one))[1]
    )
    assert load(paths[:10], cache).tolist() == list(range(1, 11))
    assert not added
    assert load(paths[10:20], cache).tolist() == list(range(11, 21))
    assert added
    assert size(folder) <= cache.max_bytes


def test_a_data_set_that_is_larger_than_the_cache_raises_an_error(tmp_path: Path):
    paths = write_greys(tmp_path, 3)
    needed = 16 + 3 * (16 + IMAGE)  # The header of a segment, and for each image a key.
    cache = ImageCache(tmp_path / "cache", max_bytes=needed - 1)
    with pytest.raises(ValueError, match=r"need 136 bytes.*Received: max_bytes=135"):
        load(paths, cache)
    with pytest.raises(ValueError, match=r"`max_bytes` must be .*Received: max_bytes=0"):
        ImageCache(tmp_path, max_bytes=0)


@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_a_cache_that_just_holds_a_data_set_does(n: int, tmp_path: Path):
    paths = write_greys(tmp_path, n)
    cache = ImageCache(tmp_path / "cache", max_bytes=16 + n * (16 + IMAGE))
    for _ in range(2):
        assert load(paths, cache).tolist() == list(range(1, n + 1))
        assert size(tmp_path / "cache") <= cache.max_bytes


def test_images_in_use_survive_their_removal_from_the_cache(tmp_path: Path):
    paths = write_greys(tmp_path, 3)
    images, _ = load_images(paths, SMALL, cache=tmp_path / "cache", verbose=False)
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    assert images[:, 0, 0, 0].tolist() == [1, 2, 3]


def test_two_writers_use_files_of_their_own(tmp_path: Path):
    from siamese_verify.data.image_cache import CacheWriter, find

    cache = ImageCache(tmp_path)
    pixels = np.arange(IMAGE, dtype=np.uint8).reshape(SMALL.shape)
    with CacheWriter(cache, "s", SMALL.shape, set()) as one:
        one.add(b"1", pixels)
        one._write()
        with CacheWriter(cache, "s", SMALL.shape, set()) as other:
            other.add(b"2", pixels + 1)
        one.add(b"3", pixels + 2)
    assert len(cache.files()) == 2
    segments = cache.segments("s", SMALL.shape)
    part, row = find(np.array([b"3", b"0", b"2"], "S16"), segments)
    assert (part[1], row[1]) == (-1, -1)
    for place, added in ((0, 2), (2, 1)):
        np.testing.assert_array_equal(segments[part[place]].pixels[row[place]], pixels + added)


def test_what_a_killed_writer_left_unfinished_is_passed_over_and_overwritten(tmp_path: Path):
    paths, cache = write_greys(tmp_path, 5), ImageCache(tmp_path / "cache")
    load(paths[:3], cache)
    (file,) = cache.files()
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:40])  # Less than a segment of one image.
    assert load(paths[:3], cache).tolist() == [1, 2, 3]
    assert load(paths, cache).tolist() == [1, 2, 3, 4, 5]
    assert [path.read_bytes()[: len(whole)] for path in cache.files()] == [whole]
    assert file.stat().st_size < 2 * len(whole)
