"""Tests of pairs with their pixels, handed out in batches.

Each image is of one grey of its own, so that a batch tells which images it holds.
"""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from image_folders import NFC, NFD
from PIL import Image

from siamese_verify.data import loading
from siamese_verify.data.augmentation import Augmentation
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.lfw import PairFileError, lfw_sample
from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.pairs import PairList
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.samples import Pair, PairListWarning, Sample
from siamese_verify.data.store import load_images
from siamese_verify.data.stored_images import StoredImages

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")

IDENTITIES = [f"P{i}" for i in range(10)]
SAMPLES = [lfw_sample(identity, number) for identity in IDENTITIES for number in (1, 2, 3)]
GREY = {sample: 8 * (i + 1) for i, sample in enumerate(SAMPLES)}
PAIRS = PairList(
    [Pair(SAMPLES[3 * i + j], SAMPLES[3 * i + (j + 1) % 3], 1) for i in range(10) for j in (0, 1)]
    + [Pair(SAMPLES[i], SAMPLES[(i + 10) % 30], 0) for i in range(20)]
)
N = len(PAIRS)
SIZE = (6, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as LFW, with PNGs, which keep a grey exactly."""
    folder = tmp_path_factory.mktemp("lfw")
    for sample, grey in GREY.items():
        path = (folder / "lfw2" / sample.path).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 10), grey, np.uint8)).save(path)
    PAIRS.to_lfw(folder / "pairs.txt")
    return folder


@pytest.fixture(scope="module")
def pairs(folder: Path) -> PairDataset:
    return PairDataset.from_lfw(folder / "pairs.txt", folder / "lfw2", SIZE, verbose=False)


def test_two_spellings_of_one_path_are_one_image(tmp_path: Path):
    (tmp_path / NFD).mkdir()
    for grey, name in ((10, "1"), (20, "2")):
        Image.fromarray(np.full((6, 4), grey, np.uint8)).save(tmp_path / NFD / f"{name}.png")
    one, again, other = (Sample(f"{f}/{i}.png", f) for f, i in ((NFC, 1), (NFD, 1), (NFC, 2)))
    pairs = PairList([Pair(one, other, 1), Pair(again, other, 1), Pair(one, again, 1)])
    data = PairDataset(pairs, tmp_path, Preprocessing(SIZE), verbose=False)
    assert data.images[:, 0, 0, 0].tolist() == [10, 20]
    assert data.indices.tolist() == [[0, 1], [0, 1], [0, 0]]
    images, samples = data.distinct_images()
    assert len(images) == len(samples) == 2
    _, part = data.split(0.34)
    assert len(part.distinct_images()[1]) == len(np.unique(part.indices))


def greys(batches: tf.data.Dataset) -> list[tuple[int, int, int]]:
    """Greys of left and right, and the label, of each pair in the batches."""
    rows = []
    for (left, right), label in batches.as_numpy_iterator():
        for images in (left, right):
            assert np.ptp(images, axis=(1, 2, 3)).max() == 0
        two = [np.round(images[:, 0, 0, 0] * 255).astype(int).tolist() for images in (left, right)]
        rows += zip(*two, label.tolist(), strict=True)
    return rows


IN_ORDER = [(GREY[left], GREY[right], label) for left, right, label in PAIRS]
POSITION = {row: i for i, row in enumerate(IN_ORDER)}


def order(batches: tf.data.Dataset) -> list[int]:
    """The position in the list of each pair that comes out."""
    return [POSITION[row] for row in greys(batches)]


def test_the_pairs_of_this_module_can_be_told_apart():
    assert len(POSITION) == N == 40
    assert PAIRS.summary()[1:3] == (20, 20)
    assert all((p.left.identity == p.right.identity) == p.label for p in PAIRS)


# --- What a data set holds


def test_a_pair_file_and_a_folder_make_a_data_set(pairs: PairDataset):
    assert len(pairs) == N
    assert pairs.pairs == PAIRS
    assert pairs.labels.tolist() == PAIRS.labels.tolist()
    assert pairs.preprocessing == Preprocessing(SIZE)
    assert pairs.images.shape == (len(PAIRS.samples), *SIZE, 1)
    assert pairs.images.dtype == np.uint8
    np.testing.assert_array_equal(
        pairs.images[pairs.indices][:, :, 0, 0, 0],
        [(GREY[left], GREY[right]) for left, right, _ in PAIRS],
    )


def test_settings_are_passed_to_the_decoding(folder: Path):
    file, root = folder / "pairs.txt", folder / "lfw2"
    made = PairDataset.from_lfw(
        *(file, root, (3, 2)), channels=3, center_crop=(5, 5), max_pixels=120, verbose=False
    )
    assert made.preprocessing == Preprocessing((3, 2), 3, (5, 5), 120)
    (left, right), _ = next(iter(made.batches(7)))
    assert left.shape == right.shape == (7, 3, 2, 3)
    with pytest.raises(ImageError, match="over-large"):
        PairDataset.from_lfw(file, root, SIZE, max_pixels=119, verbose=False)


def test_by_default_images_are_grey_and_105_by_105(folder: Path):
    made = PairDataset(PAIRS[:1], folder / "lfw2", verbose=False)
    assert made.images.shape == (2, 105, 105, 1)


def test_each_image_is_decoded_once_however_many_pairs_it_is_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    decoded: list[str] = []

    def noting(paths: list[Path], *args, **kwargs) -> object:
        decoded.extend(path.stem for path in paths)
        return load_images(paths, *args, **kwargs)

    monkeypatch.setattr(loading, "load_images", noting)
    PairDataset(PAIRS + PAIRS, folder / "lfw2", Preprocessing(SIZE), verbose=False)
    named = {Path(sample.path).stem for pair in PAIRS for sample in pair[:2]}
    assert sorted(decoded) == sorted(named)


def test_images_gives_each_once_with_its_pixels(pairs: PairDataset):
    for part in (pairs, *pairs.split(0.25)):
        pixels, samples = part.distinct_images()
        assert samples == list(part.pairs.samples)
        assert pixels.shape == (len(samples), *SIZE, 1)
        assert pixels[:, 0, 0, 0].tolist() == [GREY[sample] for sample in samples]


def test_an_empty_list_raises_an_error(folder: Path):
    with pytest.raises(ValueError, match="at least one pair"):
        PairDataset(PairList([]), folder / "lfw2")


def test_a_bad_pair_file_raises_an_error(folder: Path, tmp_path: Path):
    (tmp_path / "pairs.txt").write_text("P0 1\n")
    with pytest.raises(PairFileError, match="line 1"):
        PairDataset.from_lfw(tmp_path / "pairs.txt", folder / "lfw2")


def test_missing_images_are_named_before_any_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loading, "load_images", lambda *_, **__: pytest.fail("decoded"))
    absent = PairList([Pair(SAMPLES[0], lfw_sample("Nobody", i), 0) for i in range(1, 13)])
    with pytest.raises(FileNotFoundError, match="12 of 13 images are missing") as caught:
        PairDataset(absent, folder / "lfw2", verbose=False)
    assert str(folder / "lfw2" / "Nobody" / "Nobody_0010.jpg") in str(caught.value)
    assert "Nobody_0011" not in str(caught.value)


@pytest.mark.parametrize("opening", [1, 2])
def test_a_data_set_works_from_a_memory_mapped_cache(
    opening: int, folder: Path, tmp_path: Path, pairs: PairDataset
):
    for _ in range(opening):
        cached = PairDataset.from_lfw(
            *(folder / "pairs.txt", folder / "lfw2", SIZE), cache=tmp_path, verbose=False
        )
    assert isinstance(cached.images, StoredImages)
    np.testing.assert_array_equal(cached.images, pairs.images)
    assert greys(cached.batches(16, shuffle=True)) == greys(pairs.batches(16, shuffle=True))
    assert greys(cached.split(0.25)[1].batches(16)) == greys(pairs.split(0.25)[1].batches(16))


def test_samples_need_no_folder_of_their_identity(folder: Path, tmp_path: Path):
    moved = {s: Sample(f"scans/{i}.png", s.identity) for i, s in enumerate(SAMPLES)}
    (tmp_path / "scans").mkdir()
    for sample, new in moved.items():
        (tmp_path / new.path).symlink_to((folder / "lfw2" / sample.path).with_suffix(".png"))
    flat = PairList(Pair(moved[left], moved[right], label) for left, right, label in PAIRS)
    data = PairDataset(flat, tmp_path, Preprocessing(SIZE), verbose=False)
    assert greys(data.batches(16)) == IN_ORDER
    rest, part = data.split(0.25)
    assert len(rest) + len(part) == N


@pytest.mark.parametrize("path", ["/etc/1.png", "../lfw2/P0/P0_0001.png"])
def test_a_path_out_of_the_root_raises_an_error(path: str, folder: Path):
    outside = PairList([Pair(Sample(path, "P0"), SAMPLES[1], 1)])
    with pytest.raises(ValueError, match="below `images_root`"):
        PairDataset(outside, folder / "lfw2", verbose=False)


# --- Splits


@pytest.mark.parametrize("by", ["pair", "identity"])
@pytest.mark.filterwarnings("ignore::siamese_verify.data.samples.PairListWarning")
def test_a_split_shares_pixels_and_follows_the_list(
    by: str, pairs: PairDataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loading, "load_images", lambda *_, **__: pytest.fail("decoded"))
    parts = pairs.split(0.25, seed=5, by=by)
    assert tuple(part.pairs for part in parts) == PAIRS.split(0.25, seed=5, by=by)
    for part in parts:
        assert part.images is pairs.images
        assert part.preprocessing == pairs.preprocessing
        assert part.labels.tolist() == part.pairs.labels.tolist()
        assert greys(part.batches(3)) == [(GREY[a], GREY[b], label) for a, b, label in part.pairs]
    assert pairs.pairs == PAIRS  # As it was.


def test_a_split_by_identity_warns_of_pairs_left_out(pairs: PairDataset):
    with pytest.warns(PairListWarning, match="pairs are left out"):
        pairs.split(0.25, by="identity")


def test_a_part_of_a_part_knows_whom_both_splits_train_on(pairs: PairDataset):
    train, validation = pairs.split(0.5)
    rest, part = validation.split(0.5)
    assert part.training_identities == {*train.pairs.identities, *rest.pairs.identities}


def test_a_part_can_be_split_again(pairs: PairDataset):
    rest, _ = pairs.split(0.25)
    again, part = rest.split(0.5, seed=1)
    assert (len(again), len(part)) == (14, 16) or (len(again), len(part)) == (16, 14)
    assert greys(part.batches(9)) == [(GREY[a], GREY[b], label) for a, b, label in part.pairs]


# --- Batches in order


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(1, [1] * 40), (16, [16, 16, 8]), (20, [20, 20]), (128, [40])]
)
def test_batches_hold_the_pairs_in_order_and_the_last_may_be_smaller(
    batch_size: int, sizes: list[int], pairs: PairDataset
):
    batches = pairs.batches(batch_size)
    assert [len(label) for _, label in batches] == sizes
    assert batches.cardinality() == len(batches) == len(sizes)
    for _ in range(2):
        assert greys(batches) == IN_ORDER


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_float32_images_in_0_to_1_and_int32_labels(
    shuffle: bool, augment: bool, pairs: PairDataset
):
    batches = pairs.batches(16, shuffle=shuffle, augment=augment)
    image = tf.TensorSpec((None, *SIZE, 1), tf.float32)
    assert batches.element_spec == ((image, image), tf.TensorSpec((None,), tf.int32))
    for (left, right), label in batches.as_numpy_iterator():
        for images in (left, right):
            assert images.shape == (len(label), *SIZE, 1)
            assert images.dtype == np.float32
            assert 0 <= images.min() <= images.max() <= 1
        assert label.dtype == np.int32


def test_pixels_are_divided_by_255(pairs: PairDataset):
    (left, right), _ = next(pairs.batches(N).as_numpy_iterator())
    both = np.stack([left, right], axis=1)
    np.testing.assert_allclose(both, pairs.images[pairs.indices] / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -3}, "batch_size"),
        ({"batch_size": 4, "shuffle": True, "buffer": 0}, "buffer"),
        ({"batch_size": 4, "shuffle": True, "buffer": 2.5}, "buffer"),
        ({"batch_size": 4, "buffer": 10}, "buffer"),
    ],
    ids=str,
)
def test_arguments_out_of_range_raise_an_error(arguments: dict, name: str, pairs: PairDataset):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        pairs.batches(**arguments)


# --- Shuffled batches


def epochs(batches: tf.data.Dataset, count: int = 3) -> list[list[int]]:
    return [order(batches) for _ in range(count)]


@pytest.mark.parametrize("buffer", [None, 7])
def test_each_epoch_has_all_pairs_in_an_order_of_its_own(buffer: int | None, pairs: PairDataset):
    seen = epochs(pairs.batches(16, shuffle=True, buffer=buffer), 4)
    assert all(sorted(one) == list(range(N)) for one in seen)
    assert len({tuple(one) for one in [*seen, list(range(N))]}) == 5


@pytest.mark.parametrize("buffer", [None, 7])
def test_the_seed_alone_decides_the_order(buffer: int | None, pairs: PairDataset):
    first = epochs(pairs.batches(16, shuffle=True, seed=1, buffer=buffer))
    assert epochs(pairs.batches(16, shuffle=True, seed=1, buffer=buffer)) == first
    assert epochs(pairs.batches(5, shuffle=True, seed=1, buffer=buffer)) == first
    other = epochs(pairs.batches(16, shuffle=True, seed=2, buffer=buffer))
    assert not any(one in first for one in other)


@pytest.mark.parametrize("arguments", [{"shuffle": True}, {"shuffle": True, "buffer": 7}, {}])
def test_a_resumed_run_sees_what_an_uninterrupted_one_does(arguments: dict, pairs: PairDataset):
    def images(initial_epoch: int, count: int) -> list[np.ndarray]:
        batches = pairs.batches(16, augment=True, initial_epoch=initial_epoch, **arguments)
        return [
            np.concatenate([image for two, _ in batches for image in two]) for _ in range(count)
        ]

    whole, resumed = images(0, 4), images(2, 2)
    np.testing.assert_array_equal(resumed, whole[2:])
    assert not np.array_equal(whole[0], whole[1])


@pytest.mark.parametrize("buffer", [2, 7, 39])
def test_a_buffer_lets_a_pair_come_early_by_no_more_than_its_length(
    buffer: int, pairs: PairDataset
):
    seen = epochs(pairs.batches(16, shuffle=True, buffer=buffer), 5)
    for one in seen:
        assert all(position < i + buffer for i, position in enumerate(one))
    assert max(one[0] for one in seen) >= (buffer - 1) // 2  # From anywhere in the buffer.


def test_a_buffer_of_one_keeps_the_order(pairs: PairDataset):
    assert order(pairs.batches(16, shuffle=True, buffer=1)) == list(range(N))


@pytest.mark.parametrize("buffer", [40, 1000])
def test_a_buffer_as_long_as_the_list_shuffles_all_of_it(buffer: int, pairs: PairDataset):
    whole = epochs(pairs.batches(N, shuffle=True), 8)
    assert epochs(pairs.batches(N, shuffle=True, buffer=buffer), 8) == whole
    assert any(one[0] >= N // 2 for one in whole)


def test_shuffling_with_a_buffer_spreads_as_tensorflow_does(pairs: PairDataset):
    # By how many places pairs move on average, over 25 epochs.
    buffer, here = 10, np.arange(N)
    ours = pairs.batches(N, shuffle=True, buffer=buffer)
    theirs = tf.data.Dataset.range(N).shuffle(buffer, seed=0).batch(N)
    moved = [np.mean([np.abs(order(ours) - here) for _ in range(25)])]
    moved += [np.mean([np.abs(next(iter(theirs)).numpy() - here) for _ in range(25)])]
    assert moved[0] == pytest.approx(moved[1], rel=0.1)


def test_iterations_side_by_side_do_not_disturb_each_other(pairs: PairDataset):
    train, validation = pairs.batches(16, shuffle=True), pairs.batches(16)
    expected = epochs(pairs.batches(16, shuffle=True), 2)
    for epoch in expected:
        assert order(train) == epoch
        assert order(validation) == list(range(N))


# --- Augmented batches


def arrays(batches: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    left, right = zip(*(two for two, _ in batches.as_numpy_iterator()), strict=True)
    return np.concatenate(left), np.concatenate(right)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> PairDataset:
    """One noisy image, always compared with itself."""
    folder = tmp_path_factory.mktemp("noisy")
    sample = Sample("Ada/1.png", "Ada")
    (folder / "Ada").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (12, 10)).astype(np.uint8)
    Image.fromarray(noise).save(folder / sample.path)
    return PairDataset(
        PairList([Pair(sample, sample, 1)] * 20), folder, Preprocessing((12, 10)), verbose=False
    )


def test_only_the_batches_that_ask_for_it_are_augmented(noisy: PairDataset):
    plain = noisy.images[noisy.indices].astype(np.float32).swapaxes(0, 1) / 255
    train, validation = noisy.batches(8, augment=True), noisy.batches(8)
    assert not np.array_equal(arrays(train), plain)
    np.testing.assert_allclose(arrays(validation), plain, rtol=1e-6)


def test_each_image_of_a_pair_is_augmented_on_its_own(noisy: PairDataset):
    left, right = arrays(noisy.batches(8, augment=Augmentation(probability=1)))
    images = [image.tobytes() for image in (*left, *right)]
    assert len(set(images)) == 40


@pytest.mark.parametrize("augment", [True, Augmentation(shift=5)])
def test_the_seed_alone_decides_the_augmentation_of_each_epoch(
    augment: bool | Augmentation, noisy: PairDataset
):
    batches = [noisy.batches(8, seed=seed, augment=augment) for seed in (0, 0, 1)]
    seen = [[np.array(arrays(one)) for _ in range(2)] for one in batches]
    np.testing.assert_array_equal(seen[0], seen[1])
    different = [*seen[0], *seen[2]]
    for one, other in itertools.combinations(different, 2):
        assert not np.array_equal(one, other)


def test_an_augmentation_of_ones_own_is_used(pairs: PairDataset, noisy: PairDataset):
    nothing = Augmentation(probability=0)
    np.testing.assert_array_equal(
        arrays(noisy.batches(8, augment=nothing)), arrays(noisy.batches(8))
    )
    mirror = Augmentation(flip=True, rotation=0, shear=0, scale=0, shift=0, probability=1)
    np.testing.assert_array_equal(
        arrays(noisy.batches(8, augment=mirror)),
        [images[:, :, ::-1] for images in arrays(noisy.batches(8))],
    )


def test_augmentation_leaves_the_order_and_the_labels(pairs: PairDataset):
    # A distortion leaves an image of one grey nearly the same, so the mean is rounded.
    def rows(batches: tf.data.Dataset) -> list[tuple[int, int, int]]:
        return [
            (*(round(float(tf.reduce_mean(images[i])) * 255) for images in two), int(label[i]))
            for two, label in batches
            for i in range(len(label))
        ]

    assert rows(pairs.batches(16, shuffle=True, augment=True)) == greys(
        pairs.batches(16, shuffle=True)
    )


# --- Images of pairs, labelled


PLACE = {(left, right): place for (left, right, _), place in POSITION.items()}
# The same pairs of each identity link all of the three images.
IDENTITY = {grey: sample.identity for sample, grey in GREY.items()}


def places(batches: tf.data.Dataset) -> list[list[int]]:
    """The position in the list of each pair in each batch, whose labels must tell who is same."""
    found = []
    for images, label in batches.as_numpy_iterator():
        assert np.ptp(images, axis=(1, 2, 3)).max() == 0
        left, right = np.round(images[:, 0, 0, 0] * 255).astype(int).reshape(2, -1).tolist()
        found.append([PLACE[two] for two in zip(left, right, strict=True)])
        identities = np.array([IDENTITY[grey] for grey in left + right])
        np.testing.assert_array_equal(label[:, None] == label, identities[:, None] == identities)
    return found


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [1] * N), (16, [16, 16, 8]), (64, [N])])
def test_images_come_left_then_right_and_share_a_label_only_if_same_pairs_link_them(
    batch_size: int, sizes: list[int], pairs: PairDataset
):
    batches = pairs.image_batches(batch_size)
    assert batches.cardinality() == len(batches) == len(sizes)
    seen = [places(batches) for _ in range(3)]
    for epoch in seen:
        assert [len(batch) for batch in epoch] == sizes
        assert sorted(itertools.chain(*epoch)) == list(range(N))  # Each pair once.
    assert len({tuple(itertools.chain(*epoch)) for epoch in seen}) == 3


def test_images_are_float32_images_in_0_to_1_and_int32_labels(pairs: PairDataset):
    batches = pairs.image_batches(16, augment=True)
    expected = tf.TensorSpec((None, *SIZE, 1), tf.float32), tf.TensorSpec((None,), tf.int32)
    assert batches.element_spec == expected
    for (images, label), n in zip(batches.as_numpy_iterator(), (32, 32, 16), strict=True):
        assert images.shape == (n, *SIZE, 1)
        assert (images.dtype, label.dtype) == (np.float32, np.int32)
        assert 0 <= images.min() <= images.max() <= 1
        assert label.shape == (n,)


def test_the_seed_alone_decides_the_order_of_images(pairs: PairDataset):
    def epochs(seed: int) -> list[list[list[int]]]:
        batches = pairs.image_batches(20, seed=seed)
        return [places(batches) for _ in range(2)]

    first = epochs(1)
    assert epochs(1) == first
    assert not any(epoch in first for epoch in epochs(2))


def test_a_resumed_run_sees_the_images_of_an_uninterrupted_one(noisy: PairDataset):
    def epochs(initial_epoch: int, count: int) -> list[np.ndarray]:
        batches = noisy.image_batches(8, augment=True, initial_epoch=initial_epoch)
        return [np.concatenate([images for images, _ in batches]) for _ in range(count)]

    whole = epochs(0, 3)
    np.testing.assert_array_equal(epochs(2, 1), whole[2:])
    assert not np.array_equal(whole[0], whole[1])


def test_each_image_of_a_batch_is_augmented_on_its_own(noisy: PairDataset):
    batches = noisy.image_batches(20, augment=Augmentation(probability=1))
    ((images, _),) = batches.as_numpy_iterator()
    assert len({image.tobytes() for image in images}) == 40
    (plain, _), *_ = noisy.image_batches(20).as_numpy_iterator()
    np.testing.assert_allclose(plain, np.repeat(noisy.images, 40, axis=0) / 255, rtol=1e-6)


def test_a_different_pair_whose_images_same_pairs_link_raises_an_error(folder: Path):
    a, b, c, d = SAMPLES[:4]
    contradictory = PairList([Pair(a, b, 1), Pair(c, d, 0), Pair(b, c, 1), Pair(c, a, 0)])
    dataset = PairDataset(contradictory, folder / "lfw2", Preprocessing(SIZE), verbose=False)
    with pytest.raises(ValueError, match=r"different.*P0_0003.* and .*P0_0001"):
        dataset.image_batches(2)


def test_no_batch_of_images_is_empty(pairs: PairDataset):
    with pytest.raises(ValueError, match=r"`batch_size` must be .*batch_size=0"):
        pairs.image_batches(0)


# --- In Keras


def tiny_model(run_eagerly: bool = False) -> keras.Model:
    """Scores minus the mean absolute difference, scaled: one weight and one bias."""
    left, right = keras.Input((*SIZE, 1)), keras.Input((*SIZE, 1))
    distance = keras.ops.mean(keras.ops.abs(left - right), axis=(1, 2, 3), keepdims=False)
    score = keras.layers.Dense(1, "sigmoid")(keras.ops.expand_dims(distance, -1))
    model = keras.Model((left, right), score)
    model.compile(
        keras.optimizers.SGD(1.0),
        "binary_crossentropy",
        metrics=["accuracy"],
        run_eagerly=run_eagerly,
    )
    return model


def test_keras_fits_evaluates_and_predicts(pairs: PairDataset):
    keras.utils.set_random_seed(0)
    model = tiny_model()
    train, validation = pairs.split(0.25)
    history = model.fit(
        train.batches(8, shuffle=True, augment=True),
        validation_data=validation.batches(8),
        epochs=4,
        shuffle=False,
        verbose=0,
    ).history
    assert history["loss"][-1] < history["loss"][0]
    assert len(history["val_loss"]) == 4

    scores = model.predict(pairs.batches(16), verbose=0)
    assert scores.shape == (N, 1)
    left, right = pairs.images[pairs.indices].astype(np.float64).swapaxes(0, 1) / 255
    weight, bias = (float(array.item()) for array in model.layers[-1].get_weights())
    expected = 1 / (1 + np.exp(-(weight * np.abs(left - right).mean(axis=(1, 2, 3)) + bias)))
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-4)

    loss, accuracy = model.evaluate(pairs.batches(16), verbose=0)
    likelihood = np.where(pairs.labels == 1, expected, 1 - expected)
    assert loss == pytest.approx(-np.log(likelihood).mean(), rel=1e-4)
    assert accuracy == pytest.approx(((expected > 0.5) == pairs.labels).mean())


def test_keras_resumes_as_if_it_had_not_been_interrupted(pairs: PairDataset):
    def fit(model: keras.Model, start: int, end: int):
        batches = pairs.batches(8, shuffle=True, augment=True, initial_epoch=start)
        model.fit(batches, initial_epoch=start, epochs=end, shuffle=False, verbose=0)

    keras.utils.set_random_seed(0)
    # The batches are the same to a graph, which takes longer to build than all epochs to run.
    whole, parted, resumed = (tiny_model(run_eagerly=True) for _ in range(3))
    parted.set_weights(whole.get_weights())
    fit(whole, 0, 4)
    fit(parted, 0, 2)
    resumed.set_weights(parted.get_weights())
    fit(resumed, 2, 4)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# --- Real images


@needs_lfw
def test_batches_of_real_images():
    listed = PairList.from_lfw(LFW / "pairsDevTrain.txt")
    some = PairDataset(listed.same[:70] + listed.different[:70], LFW / "lfw2", verbose=False)
    batches = some.batches(128, shuffle=True, buffer=1000)
    (left, right), label = next(iter(batches))
    assert left.shape == right.shape == (128, 105, 105, 1)
    assert len(batches) == 2
    assert 0.2 < float(tf.reduce_mean(left)) < 0.8
    assert 40 < int(tf.reduce_sum(label)) < 88


def test_batches_wait_for_no_tuner_at_their_end(pairs: PairDataset):
    assert pairs.batches(2).options().autotune.enabled is False


def test_pairs_come_in_a_pair_list(tmp_path: Path):
    with pytest.raises(TypeError, match=r"`pairs` must be a PairList\. Received: list"):
        PairDataset([], tmp_path)


def test_augmentation_of_another_type_raises_an_error(pairs: PairDataset):
    with pytest.raises(TypeError, match=r"`augment` must be .*Received: augment='yes'"):
        pairs.batches(4, augment="yes")
