"""Tests of images that are written to several files and streamed.

Each image is of one grey of its own, so that a batch tells which images it holds.
"""

import collections
import errno
import itertools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from siamese_verify.data import file_decoding, shard_writing
from siamese_verify.data.batching import live_streams
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.identity_dataset import IdentityDataset
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.samples import Sample
from siamese_verify.data.shard_index import ShardError
from siamese_verify.data.shard_writing import write_shards
from siamese_verify.data.sharded_images import ShardedImages

COUNTS = {f"id{i:02}": 1 + i % 5 for i in range(20)}
N = sum(COUNTS.values())
IDENTITY = dict(enumerate(itertools.chain.from_iterable([who] * n for who, n in COUNTS.items())))
SIZE = Preprocessing((4, 6))
PER_SHARD = 12


def make_images(folder: Path) -> Path:
    for grey, identity in IDENTITY.items():
        (folder / identity).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), grey, np.uint8)).save(folder / identity / f"{grey}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def shards(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "shards"
    write_shards(folder, out, SIZE, images_per_shard=PER_SHARD, verbose=False)
    return out


@pytest.fixture
def images(shards: Path) -> ShardedImages:
    return ShardedImages.open(shards)


@pytest.fixture
def copied(shards: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "copied"))


def batches_of(images: ShardedImages, batches: tf.data.Dataset) -> list[list[int]]:
    """The greys in each batch, whose labels must be right."""
    found = []
    for pixels, labels in batches.as_numpy_iterator():
        assert pixels.dtype == np.float32
        assert labels.dtype == np.int32
        assert pixels.shape[1:] == SIZE.shape
        greys = np.round(pixels[:, 0, 0, 0] * 255).astype(int).tolist()
        assert [images.identities[label] for label in labels] == [IDENTITY[g] for g in greys]
        found.append(greys)
    return found


def epoch_of(images: ShardedImages, batches: tf.data.Dataset) -> list[int]:
    return list(itertools.chain(*batches_of(images, batches)))


# --- Streaming


@pytest.mark.parametrize("buffer", [1, 7, None])
def test_an_epoch_holds_each_image_once_in_its_own_order(images: ShardedImages, buffer: int | None):
    batches = images.batches(8, shuffle=True, seed=3, buffer=buffer)
    first, second = epoch_of(images, batches), epoch_of(images, batches)
    assert sorted(first) == sorted(second) == list(range(N))
    assert first != second
    again = images.batches(8, shuffle=True, seed=3, buffer=buffer, initial_epoch=1)
    assert epoch_of(images, again) == second
    assert epoch_of(images, images.batches(8, shuffle=True, seed=4, buffer=buffer)) != first


def test_all_batches_but_the_last_are_full(images: ShardedImages):
    batches = images.batches(16, shuffle=True, buffer=20)
    assert [len(batch) for batch in batches_of(images, batches)] == [16, 16, 16, N - 48]
    assert int(batches.cardinality()) == 4


def test_a_buffer_mixes_the_identities_of_several_files(images: ShardedImages):
    def identities(batches: tf.data.Dataset) -> float:
        return np.mean([len({IDENTITY[g] for g in b}) for b in batches_of(images, batches)])

    assert identities(images.batches(10, shuffle=True)) > identities(images.batches(10)) + 1


def test_the_pixels_are_those_of_an_identity_data_set(images: ShardedImages, folder: Path):
    data = IdentityDataset.from_folder(folder, SIZE, verbose=False)
    assert images.identities == data.identities
    assert len(images) == len(data) == N
    streamed = {}
    for pixels, labels in images.batches(8).as_numpy_iterator():
        streamed |= {image.tobytes(): label for image, label in zip(pixels, labels, strict=True)}
    for pixels, labels in data.batches(8).as_numpy_iterator():
        for image, label in zip(pixels, labels, strict=True):
            assert streamed[image.tobytes()] == label


def test_p_x_k_batches_hold_each_identity_once(images: ShardedImages):
    batches = images.batches(6, shuffle=True, per_identity=2)
    seen = []
    for greys in batches_of(images, batches):
        for one, other in zip(greys[::2], greys[1::2], strict=True):
            assert IDENTITY[one] == IDENTITY[other]
            assert (one == other) == (COUNTS[IDENTITY[one]] == 1)
            seen.append(IDENTITY[one])
    assert sorted(seen) == list(COUNTS)
    assert int(batches.cardinality()) == 7


def test_parts_share_no_image_and_hold_all(images: ShardedImages):
    parts = [images.part(i, 3) for i in range(3)]
    epochs = [epoch_of(part, part.batches(8)) for part in parts]
    assert [len(part) for part in parts] == list(map(len, epochs))
    assert sorted(itertools.chain(*epochs)) == list(range(N))
    assert all(part.identities == images.identities for part in parts)
    for index, count in ((3, 3), (-1, 3), (0, 0), (0, images.n_files + 1), (0.0, 1)):
        with pytest.raises(ValueError, match="`index` must be a whole number"):
            images.part(index, count)


def test_augmentation_is_that_of_other_data_sets(images: ShardedImages):
    batches = images.batches(8, augment=lambda pixels: 1 - pixels)
    for pixels, _ in batches.as_numpy_iterator():
        assert pixels.min() > 1 - N / 255


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 6, "per_identity": 4},
        {"batch_size": 6, "buffer": 3},
        {"batch_size": 6, "buffer": 0, "shuffle": True},
        {"batch_size": 6, "seed": -1},
    ],
)
def test_arguments_out_of_range_raise(images: ShardedImages, arguments: dict):
    with pytest.raises(ValueError, match="Received"):
        images.batches(**arguments)


def test_an_epoch_that_ends_early_leaves_no_reader_behind(images: ShardedImages):
    batches = images.batches(2, shuffle=True)
    for _ in batches.take(1):
        pass
    assert sorted(epoch_of(images, batches)) == list(range(N))


def test_resumable_finds_its_place(shards: Path):
    def stream(**kwargs: object) -> object:
        before = live_streams()
        data = ShardedImages.open(shards)
        kept.append((data, data.batches(8, shuffle=True, **kwargs)))
        (found,) = [one for one in live_streams() if one not in before]
        return found

    kept: list = []
    first, second, other = stream(seed=1), stream(seed=1), stream(seed=2)
    assert first.fingerprint == second.fingerprint != other.fingerprint
    epochs = [epoch_of(*kept[0]) for _ in range(3)]
    assert first.next_epoch == 3
    assert first.is_complete
    second.next_epoch = 2
    assert epoch_of(*kept[1]) == epochs[2]


# --- Writing


def test_any_reader_of_tfrecord_reads_the_files(shards: Path):
    found = {}
    for file in shards.glob("*.tfrecord"):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            image, path, identity = (
                features[name].bytes_list.value[0] for name in ("image", "path", "identity")
            )
            found[Path(path.decode()).stem] = identity.decode(), len(image), set(image)
    assert found == {str(grey): (who, 24, {grey}) for grey, who in IDENTITY.items()}


def test_an_identity_lies_in_one_file_if_it_fits(folder: Path, shards: Path, tmp_path: Path):
    files = collections.defaultdict(set)
    for file in shards.glob("*.tfrecord"):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature["identity"]
            files[feature.bytes_list.value[0]].add(file)
    assert len(files) == len(COUNTS)
    assert {len(found) for found in files.values()} == {1}
    # Identities of three, four and five images need seven files of two.
    few = {"id02": range(3, 6), "id03": range(6, 10), "id04": range(10, 15)}
    samples = [Sample(f"{who}/{grey}.png", who) for who, greys in few.items() for grey in greys]
    small = write_shards(
        samples, tmp_path, SIZE, images_root=folder, images_per_shard=2, verbose=False
    )
    assert small.n_files in (6, 7)
    assert sorted(epoch_of(small, small.batches(8))) == list(range(3, 15))


def test_a_stopped_call_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls = []
    whole = shard_writing.write_records

    def write(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        whole(*arguments)

    monkeypatch.setattr(shard_writing, "write_records", write)

    def run() -> ShardedImages:
        return write_shards(folder, tmp_path, SIZE, images_per_shard=PER_SHARD, verbose=False)

    with pytest.raises(KeyboardInterrupt):
        run()
    with pytest.raises(ShardError, match=r"index\.json is missing"):
        ShardedImages.open(tmp_path)
    written = run()
    assert len(calls) == written.n_files + 1
    assert sorted(epoch_of(written, written.batches(8))) == list(range(N))
    run()
    assert len(calls) == written.n_files + 1


def test_only_files_of_changed_images_are_made_again(tmp_path: Path):
    source = make_images(tmp_path / "images")
    out = tmp_path / "out"
    write_shards(source, out, SIZE, images_per_shard=PER_SHARD, verbose=False)
    own = out / "notes.txt", out / "shard-000001.tfrecord"
    for file in own:
        file.write_text("mine")
    before = {file.name: file.stat().st_mtime_ns for file in out.glob("*.tfrecord")}
    changed = source / "id03" / f"{min(g for g, who in IDENTITY.items() if who == 'id03')}.png"
    Image.fromarray(np.full((8, 9), 250, np.uint8)).save(changed)
    written = write_shards(source, out, SIZE, images_per_shard=PER_SHARD, verbose=False)
    after = {file.name: file.stat().st_mtime_ns for file in out.glob("*.tfrecord")}
    assert len(before.items() - after.items()) == len(after.items() - before.items()) == 1
    assert all(file.exists() for file in own)
    values = np.concatenate([pixels[:, 0, 0, 0] for pixels, _ in written.batches(8)])
    assert np.isclose(values.max(), 250 / 255)


def test_damaged_and_missing_images_are_left_out(tmp_path: Path):
    source = make_images(tmp_path / "images")
    (source / "id00" / "0.png").write_bytes(b"damaged")  # The only image of this identity.
    (source / "id01" / "2.png").unlink()
    samples = [Sample(f"{who}/{grey}.png", who) for grey, who in IDENTITY.items()]
    given = {"images_root": source, "images_per_shard": PER_SHARD, "verbose": False}
    with pytest.raises(FileNotFoundError, match=f"1 of {N} images are missing"):
        write_shards(samples, tmp_path / "out", SIZE, **given)
    with pytest.warns(UserWarning, match=f"2 of {N} images are left out"):
        written = write_shards(samples, tmp_path / "out", SIZE, on_error="skip", **given)
    assert "id00" not in written.identities
    assert len(written) == N - 2
    assert sorted(epoch_of(written, written.batches(8))) == [1, *range(3, N)]
    assert {path for path, _ in written.skipped} == {"id00/0.png", "id01/2.png"}
    assert "id00/0.png" in (tmp_path / "out" / "skipped.csv").read_text()
    # Later calls do not accept a file with images left out.
    with pytest.raises(ImageError, match=r"0\.png"):
        write_shards(source, tmp_path / "out", SIZE, images_per_shard=PER_SHARD, verbose=False)


def test_an_image_that_was_left_out_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, out = make_images(tmp_path / "images"), tmp_path / "out"
    read = file_decoding.read_image_file

    def failing(path: Path, preprocessing: Preprocessing) -> bytes:
        if path.name == "7.png":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path, preprocessing)

    with monkeypatch.context() as patch:
        patch.setattr(file_decoding, "read_image_file", failing)
        with pytest.warns(UserWarning, match=f"1 of {N} images are left out"):
            written = write_shards(source, out, SIZE, on_error="skip", verbose=False)
        assert [path for path, _ in written.skipped] == [f"{IDENTITY[7]}/7.png"]
    written = write_shards(source, out, SIZE, on_error="skip", verbose=False)
    assert sorted(epoch_of(written, written.batches(8))) == list(range(N))
    assert not (out / "skipped.csv").exists()


def test_images_of_another_folder_are_never_given_the_pixels_of_files_that_look_alike(
    tmp_path: Path,
):
    for grey, name in enumerate(("dark", "light")):
        for identity in "ab":
            image = tmp_path / name / identity / "0.bmp"
            image.parent.mkdir(parents=True)
            Image.fromarray(np.full((8, 8), grey, np.uint8)).save(image)
            os.utime(image, (1, 1))
        written = write_shards(tmp_path / name, tmp_path / "out", SIZE, verbose=False)
        ((pixels, _),) = written.batches(2).as_numpy_iterator()
        assert np.unique(np.round(pixels * 255)).tolist() == [grey]


def test_a_full_disk_is_an_error_of_the_system(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*arguments: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*out.shard-\w+\.tfrecord'"):
        write_shards(folder, tmp_path / "out", SIZE, verbose=False)
    with pytest.raises(ShardError, match=r"index\.json is missing"):
        ShardedImages.open(tmp_path / "out")


def test_tables_and_samples_are_written_as_folders_are(folder: Path, tmp_path: Path):
    paths = [f"{who}/{grey}.png" for grey, who in IDENTITY.items()]
    table = {"path": paths, "identity": list(IDENTITY.values())}
    written = write_shards(table, tmp_path, SIZE, images_root=folder, verbose=False)
    assert sorted(epoch_of(written, written.batches(8))) == list(range(N))


def test_an_address_is_not_a_folder_to_write_to(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"local folder.*Received: folder='gs://bucket/shards'"):
        write_shards(folder, "gs://bucket/shards", SIZE, verbose=False)
    assert list(tmp_path.iterdir()) == []


def test_the_same_file_twice_raises(folder: Path, tmp_path: Path):
    samples = [Sample("id00/0.png", "a"), Sample("./id00/0.png", "b"), Sample("id01/1.png", "b")]
    with pytest.raises(ValueError, match="1 other spellings"):
        write_shards(samples, tmp_path, SIZE, images_root=folder, verbose=False)


def test_one_identity_raises(folder: Path, tmp_path: Path):
    samples = [Sample(f"id02/{grey}.png", "a") for grey in (3, 4)]
    with pytest.raises(ValueError, match="2 images of 1 identity"):
        write_shards(samples, tmp_path, SIZE, images_root=folder, verbose=False)


# --- Damage


def test_a_damaged_file_is_named(copied: Path):
    file = sorted(copied.glob("*.tfrecord"))[0]
    contents = bytearray(file.read_bytes())
    contents[100] ^= 1
    file.write_bytes(contents)
    images = ShardedImages.open(copied)
    with pytest.raises(ShardError, match=file.name):
        images.check()
    with pytest.raises(tf.errors.OpError, match=f"{file.name} is missing or damaged"):
        epoch_of(images, images.batches(8))


@pytest.mark.parametrize("size", [0, 130, 500])
def test_a_cut_file_is_named(copied: Path, size: int):
    file = sorted(copied.glob("*.tfrecord"))[0]
    os.truncate(file, size)
    images = ShardedImages.open(copied)
    with pytest.raises(tf.errors.OpError, match=f"{file.name} is missing or damaged"):
        epoch_of(images, images.batches(8))


def test_a_missing_file_is_named(copied: Path):
    images = ShardedImages.open(copied)
    file = sorted(copied.glob("*.tfrecord"))[0]
    file.unlink()
    with pytest.raises(ShardError, match=f"{file.name} is missing"):
        ShardedImages.open(copied)
    with pytest.raises(tf.errors.OpError, match=f"{file.name} is missing or damaged"):
        epoch_of(images, images.batches(8))
    with pytest.raises(ShardError, match=file.name):
        images.check()


def test_whole_files_pass_the_check(images: ShardedImages):
    images.check()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"identities": None},
        {"shards": [{"file": "a"}]},
        {"shards": [{"file": "../a", "images": 1, "identities": 1, "sha256": ""}]},
        {"shards": [{"file": "a", "images": 0, "identities": 1, "sha256": ""}]},
        {"preprocessing": {"image_size": [0, 0]}},
    ],
)
def test_a_damaged_index_is_named(copied: Path, change: dict):
    index = copied / "index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    with pytest.raises(ShardError, match=r"index\.json"):
        ShardedImages.open(copied)
    index.write_bytes(b"\xff{")
    with pytest.raises(ShardError, match=r"index\.json"):
        ShardedImages.open(copied)


def test_an_address_is_opened_where_tensorflow_reads_it(shards: Path):
    remote = "ram://shards"
    tf.io.gfile.makedirs(remote)
    for file in shards.iterdir():
        tf.io.gfile.copy(str(file), f"{remote}/{file.name}", overwrite=True)
    images = ShardedImages.open(remote)
    assert sorted(epoch_of(images, images.batches(8, shuffle=True))) == list(range(N))
    images.check()
    with pytest.raises(ShardError, match=r"ram://nothing/index\.json is missing"):
        ShardedImages.open("ram://nothing")
