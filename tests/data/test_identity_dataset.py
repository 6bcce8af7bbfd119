"""Tests of images labelled by identity.

Each image is of one grey of its own, so that a batch tells which images it holds.
"""

import collections
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from image_folders import NFC, NFD
from PIL import Image

from siamese_verify.data import loading
from siamese_verify.data.augmentation import Augmentation
from siamese_verify.data.identity_dataset import IdentityDataset
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.samples import Sample
from siamese_verify.data.stored_images import StoredImages

COUNTS = {"Ada": 3, "Bob": 1, "Cyd": 7, "Dan": 2, "Eve": 5}
IDENTITIES = list(COUNTS)
SAMPLES = [
    Sample(f"{identity}/{i}.png", identity) for identity, n in COUNTS.items() for i in range(n)
]
GREY = {sample: 10 * (i + 1) for i, sample in enumerate(SAMPLES)}
SAMPLE = {grey: sample for sample, grey in GREY.items()}
N = len(SAMPLES)
SIZE = (6, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identities")
    for sample, grey in GREY.items():
        (folder / sample.identity).mkdir(exist_ok=True)
        Image.fromarray(np.full((12, 10), grey, np.uint8)).save(folder / sample.path)
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> IdentityDataset:
    return IdentityDataset.from_folder(folder, Preprocessing(SIZE), verbose=False)


def samples(batches: tf.data.Dataset, identities: list[str] = IDENTITIES) -> list[list[Sample]]:
    """The samples in each batch, whose labels must be right for their identities."""
    found = []
    for images, labels in batches.as_numpy_iterator():
        assert np.ptp(images, axis=(1, 2, 3)).max() == 0
        batch = [SAMPLE[grey] for grey in np.round(images[:, 0, 0, 0] * 255).astype(int).tolist()]
        assert [identities[label] for label in labels] == [sample.identity for sample in batch]
        found.append(batch)
    return found


def order(batches: tf.data.Dataset) -> list[Sample]:
    return list(itertools.chain(*samples(batches)))


# --- What a data set holds


def test_a_folder_makes_a_data_set(dataset: IdentityDataset):
    assert len(dataset) == N == 18
    assert list(dataset.identities) == IDENTITIES
    assert list(dataset.samples) == SAMPLES
    assert [IDENTITIES[label] for label in dataset.labels] == [
        sample.identity for sample in SAMPLES
    ]
    assert dataset.labels.dtype == np.int32
    assert dataset.images.shape == (N, *SIZE, 1)
    assert dataset.images.dtype == np.uint8
    assert dataset.images[:, 0, 0, 0].tolist() == list(GREY.values())
    assert repr(dataset) == "IdentityDataset(18 images of 5 identities, image_size=(6, 4))"


def test_some_of_the_identities_can_be_taken(folder: Path):
    chosen = iter(["Eve", "Bob", "Cyd"])
    made = IdentityDataset.from_folder(
        folder, Preprocessing(SIZE), identities=chosen, verbose=False
    )
    assert made.identities == ("Bob", "Cyd", "Eve")
    assert len(made) == 13
    batches = samples(made.batches(4), ["Bob", "Cyd", "Eve"])
    assert list(itertools.chain(*batches)) == [p for p in SAMPLES if p.identity in made.identities]


def test_images_may_come_in_any_order(folder: Path):
    mixed = [SAMPLES[i] for i in np.random.default_rng(0).permutation(N)]
    made = IdentityDataset(mixed, folder, Preprocessing(SIZE), verbose=False)
    assert list(made.identities) == IDENTITIES
    assert order(made.batches(5)) == mixed


def test_images_are_grey_and_105_by_105_unless_given(folder: Path):
    two = [SAMPLES[0], SAMPLES[-1]]
    assert IdentityDataset(two, folder, verbose=False).images.shape == (2, 105, 105, 1)
    rgb = Preprocessing(SIZE, 3)
    made = IdentityDataset(two, folder, rgb, verbose=False)
    assert made.preprocessing == rgb
    assert made.images.shape == (2, *SIZE, 3)


def test_pixels_can_be_kept_for_later_runs(folder: Path, tmp_path: Path, dataset: IdentityDataset):
    for _ in range(2):
        made = IdentityDataset.from_folder(
            folder, Preprocessing(SIZE), cache=tmp_path, verbose=False
        )
        assert isinstance(made.images, StoredImages)
        np.testing.assert_array_equal(made.images, dataset.images)


def test_two_samples_of_one_path_raise_an_error(folder: Path):
    with pytest.raises(ValueError, match=r"once.*Received: 1 repeated paths, such as .Ada.1\.png"):
        IdentityDataset([*SAMPLES, SAMPLES[1]], folder, verbose=False)


def test_two_spellings_of_one_path_raise_an_error(tmp_path: Path):
    for name in (NFD, "Ada"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((6, 4), np.uint8)).save(tmp_path / name / "1.png")
    samples = [Sample(f"{name}/1.png", name) for name in (NFC, NFD, "Ada")]
    with pytest.raises(ValueError, match=r"hold each image once.*1 other spelling"):
        IdentityDataset(samples, tmp_path, Preprocessing(SIZE), verbose=False)


def test_both_forms_of_a_name_are_one_identity(tmp_path: Path):
    for grey, path in enumerate([f"{NFC}/1.png", f"{NFD}/2.png", "Ada/1.png"], start=1):
        (tmp_path / path).parent.mkdir()
        Image.fromarray(np.full((6, 4), grey, np.uint8)).save(tmp_path / path)
    dataset = IdentityDataset.from_folder(tmp_path, Preprocessing(SIZE), verbose=False)
    assert dataset.identities == ("Ada", NFC)
    assert dict(zip(dataset.images[:, 0, 0, 0].tolist(), dataset.labels.tolist(), strict=True)) == {
        **{1: 1, 2: 1},
        3: 0,
    }


def test_one_image_of_two_identities_raises_an_error(folder: Path):
    with pytest.raises(ValueError, match=r"once.*Received: 1 repeated paths, such as 'Ada/0.png'"):
        IdentityDataset([*SAMPLES, SAMPLES[0]._replace(identity="Bob")], folder)


def test_samples_need_no_folder_of_their_identity(folder: Path, tmp_path: Path):
    flat = [Sample(f"{i}.png", sample.identity) for i, sample in enumerate(SAMPLES)]
    for sample, old in zip(flat, SAMPLES, strict=True):
        (tmp_path / sample.path).symlink_to(folder / old.path)
    made = IdentityDataset(flat, tmp_path, Preprocessing(SIZE), verbose=False)
    assert order(made.batches(5)) == SAMPLES


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_identities_raise_an_error(count: int, folder: Path):
    with pytest.raises(ValueError, match=f"Received: {3 * count} images of {count} identit"):
        IdentityDataset(SAMPLES[: 3 * count], folder)
    with pytest.raises(ValueError, match=f"of {count} identit"):
        IdentityDataset.from_folder(folder, identities=IDENTITIES[:count])


def test_a_preprocessing_by_position_is_told_to_be_named():
    with pytest.raises(TypeError, match=r"by name, such as preprocessing="):
        IdentityDataset.from_table({"path": [], "identity": []}, Preprocessing((8, 8)))


def test_what_is_missing_is_named_before_anything_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loading, "load_images", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(
        FileNotFoundError,
        match=r"1 of 19 images are missing[^\0]*Or leave them out with on_error='skip'",
    ) as caught:
        IdentityDataset([*SAMPLES, Sample("Ada/9.png", "Ada")], folder)
    assert str(folder / "Ada" / "9.png") in str(caught.value)
    assert "Or leave them out with on_error='skip'" in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"2 of the 3 .*: Fay, Gus"):
        IdentityDataset.from_folder(folder, identities=["Gus", "Ada", "Fay"])


# --- Epochs of each image once


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [1] * N), (7, [7, 7, 4]), (32, [N])])
def test_an_epoch_holds_each_image_once_in_order(
    batch_size: int, sizes: list[int], dataset: IdentityDataset
):
    batches = dataset.batches(batch_size)
    assert batches.cardinality() == len(batches) == len(sizes)
    for _ in range(2):
        assert [len(batch) for batch in samples(batches)] == sizes
        assert order(batches) == SAMPLES


def test_each_shuffled_epoch_holds_each_image_once_in_an_order_of_its_own(
    dataset: IdentityDataset,
):
    batches = dataset.batches(7, shuffle=True)
    seen = [order(batches) for _ in range(4)]
    assert all(sorted(epoch) == sorted(SAMPLES) for epoch in seen)
    assert len({tuple(epoch) for epoch in [*seen, SAMPLES]}) == 5


def test_the_seed_alone_decides_the_order(dataset: IdentityDataset):
    def epochs(batch_size: int, seed: int) -> list[list[Sample]]:
        batches = dataset.batches(batch_size, shuffle=True, seed=seed)
        return [order(batches) for _ in range(2)]

    first = epochs(7, seed=1)
    assert epochs(7, seed=1) == epochs(5, seed=1) == first
    assert not any(epoch in first for epoch in epochs(7, seed=2))


@pytest.mark.parametrize("arguments", [{"shuffle": True}, {"shuffle": True, "per_identity": 2}])
def test_a_resumed_run_sees_what_an_uninterrupted_one_does(
    arguments: dict, dataset: IdentityDataset
):
    def epochs(initial_epoch: int, count: int) -> list[list[np.ndarray]]:
        batches = dataset.batches(6, augment=True, initial_epoch=initial_epoch, **arguments)
        return [[np.concatenate(x) for x in zip(*batches, strict=True)] for _ in range(count)]

    whole, resumed = epochs(0, 3), epochs(2, 1)
    for one, other in zip(resumed, whole[2:], strict=True):
        for part, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, expected)
    assert not np.array_equal(whole[0][0], whole[1][0])


@pytest.mark.parametrize("arguments", [{}, {"augment": True}, {"augment": True, "per_identity": 3}])
def test_batches_are_float32_images_in_0_to_1_and_int32_labels(
    arguments: dict, dataset: IdentityDataset
):
    batches = dataset.batches(6, shuffle=True, **arguments)
    expected = tf.TensorSpec((None, *SIZE, 1), tf.float32), tf.TensorSpec((None,), tf.int32)
    assert batches.element_spec == expected
    for images, labels in batches.as_numpy_iterator():
        assert images.shape == (len(labels), *SIZE, 1)
        assert images.dtype == np.float32
        assert 0 <= images.min() <= images.max() <= 1
        assert labels.dtype == np.int32


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": -2, "per_identity": 2}, "batch_size=-2"),
        ({"batch_size": 4.0}, "batch_size=4.0"),
        ({"batch_size": True}, "batch_size=True"),
        ({"batch_size": None, "per_identity": 2}, "batch_size=None"),
        ({"batch_size": 4, "per_identity": 2.0}, "per_identity=2.0, batch_size=4"),
        ({"batch_size": 4, "seed": -1}, "seed=-1"),
        ({"batch_size": 4, "seed": None}, "seed=None"),
        ({"batch_size": 4, "initial_epoch": -1}, "initial_epoch=-1"),
        ({"batch_size": 4, "per_identity": 0}, "per_identity=0, batch_size=4"),
        ({"batch_size": 4, "per_identity": 1}, "per_identity=1, batch_size=4"),
        ({"batch_size": 4, "per_identity": -2}, "per_identity=-2, batch_size=4"),
        ({"batch_size": 4, "per_identity": 3}, "per_identity=3, batch_size=4"),
        ({"batch_size": 4, "per_identity": 8}, "per_identity=8, batch_size=4"),
    ],
    ids=str,
)
def test_arguments_out_of_range_raise_an_error(
    arguments: dict, received: str, dataset: IdentityDataset
):
    with pytest.raises(ValueError, match=f"must be .*at least .*Received: {received}"):
        dataset.batches(**arguments)


def test_samples_of_another_type_raise_an_error(folder: Path):
    with pytest.raises(TypeError, match=r"`Sample`s.*Received: 'Ada/Ada_0001.png'"):
        IdentityDataset(["Ada/Ada_0001.png"], folder)


def test_one_name_instead_of_several_raises_an_error(folder: Path):
    with pytest.raises(TypeError, match=r"in a list.*Received: 'Ada'"):
        IdentityDataset.from_folder(folder, identities="Ada")


# --- Epochs of each identity once


def by_identity(batch: list[Sample]) -> Iterator[tuple[str, list[Sample]]]:
    """Neighbours of one identity, as one."""
    for identity, group in itertools.groupby(batch, lambda sample: sample.identity):
        yield identity, list(group)


@given(
    per_identity=st.integers(2, 9),
    identities_in_batch=st.integers(1, 6),
    shuffle=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=12, deadline=None)
def test_each_identity_comes_once_an_epoch_all_in_one_batch_with_as_many_images(
    per_identity: int, identities_in_batch: int, shuffle: bool, seed: int, dataset: IdentityDataset
):
    size = per_identity * identities_in_batch
    batches = dataset.batches(size, shuffle, seed, per_identity=per_identity)
    seen = samples(batches)
    assert len(batches) == len(seen)
    whole, rest = divmod(per_identity * len(IDENTITIES), size)
    assert [len(batch) for batch in seen] == [size] * whole + [rest] * (rest > 0)
    groups = list(itertools.chain(*map(by_identity, seen)))
    identities = [identity for identity, _ in groups]
    assert identities == IDENTITIES if not shuffle else sorted(identities) == IDENTITIES
    for identity, group in groups:
        assert len(group) == per_identity
        times = collections.Counter(group)
        # An identity with more than `per_identity` images does not show all of them.
        fewest = per_identity // COUNTS[identity]
        assert set(times.values()) <= {fewest, fewest + 1}
        assert len(times) == min(per_identity, COUNTS[identity])


def test_each_epoch_has_identities_and_images_of_its_own(dataset: IdentityDataset):
    batches = dataset.batches(4, shuffle=True, per_identity=2)
    seen = [order(batches) for _ in range(12)]
    assert len({tuple(sample.identity for sample in epoch) for epoch in seen}) > 8
    chosen = collections.Counter(p for epoch in seen for p in epoch if p.identity == "Cyd")
    assert len(chosen) == COUNTS["Cyd"]  # Nobody's images are left out for ever.


def test_in_order_images_are_still_drawn_at_random(dataset: IdentityDataset):
    batches = dataset.batches(4, per_identity=2)
    seen = [order(batches) for _ in range(3)]
    assert all([p.identity for p in epoch[::2]] == IDENTITIES for epoch in seen)
    assert len({tuple(epoch) for epoch in seen}) == 3


def test_the_seed_alone_decides_who_and_what_is_drawn(dataset: IdentityDataset):
    def epochs(batch_size: int, seed: int) -> list[list[Sample]]:
        batches = dataset.batches(batch_size, True, seed, per_identity=2)
        return [order(batches) for _ in range(2)]

    first = epochs(4, seed=1)
    assert epochs(4, seed=1) == epochs(6, seed=1) == first
    assert not any(epoch in first for epoch in epochs(4, seed=2))


# --- Augmentation


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> IdentityDataset:
    """Two identities of one noisy image each."""
    folder = tmp_path_factory.mktemp("noisy")
    rng = np.random.default_rng(0)
    for identity in ("Ada", "Bob"):
        (folder / identity).mkdir()
        noise = rng.integers(0, 256, (12, 10)).astype(np.uint8)
        Image.fromarray(noise).save(folder / identity / "1.png")
    return IdentityDataset.from_folder(folder, Preprocessing((12, 10)), verbose=False)


def images(batches: tf.data.Dataset) -> np.ndarray:
    return np.concatenate([batch for batch, _ in batches.as_numpy_iterator()])


def test_only_the_batches_that_ask_for_it_are_augmented(noisy: IdentityDataset):
    plain = noisy.images.astype(np.float32) / 255
    mirror = Augmentation(flip=True, rotation=0, shear=0, scale=0, shift=0, probability=1)
    train, validation = noisy.batches(2, augment=mirror), noisy.batches(2)
    np.testing.assert_allclose(images(train), plain[:, :, ::-1], rtol=1e-6)
    np.testing.assert_allclose(images(validation), plain, rtol=1e-6)


def test_an_image_that_comes_several_times_is_changed_differently_each_time(
    noisy: IdentityDataset,
):
    batches = noisy.batches(8, augment=Augmentation(probability=1), per_identity=4)
    assert len({image.tobytes() for image in images(batches)}) == 8


def test_the_seed_alone_decides_the_augmentation_of_each_epoch(noisy: IdentityDataset):
    batches = [noisy.batches(4, seed=seed, augment=True, per_identity=4) for seed in (0, 0, 1)]
    seen = [[images(one) for _ in range(2)] for one in batches]
    np.testing.assert_array_equal(seen[0], seen[1])
    for one, other in itertools.combinations([*seen[0], *seen[2]], 2):
        assert not np.array_equal(one, other)
