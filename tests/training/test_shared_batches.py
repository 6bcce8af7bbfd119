"""Tests of the share of a process, against the whole batches."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import siamese_verify as sv
from siamese_verify.data.batching import streams_of
from siamese_verify.data.shares import Share
from siamese_verify.training.shared_batches import OwnBatches

IMAGES = np.random.default_rng(0).integers(0, 256, (21, 6, 6, 1), np.uint8)
DATA = sv.IdentityDataset.from_arrays(IMAGES, [i // 3 for i in range(21)])
# Batches of 6 have halves of 3. So has the last batch, which has no equal parts, as a whole.
WEIGHTS = tf.data.Dataset.from_tensor_slices(np.arange(21, dtype=np.float32)).batch(6)


def batches():
    return DATA.batches(6, True)


def drawn_before(dataset):
    """Return a dataset of which an epoch was read whole."""
    list(dataset)
    return dataset


IN_PLACE = {
    "plain": batches,
    "map": lambda: batches().map(lambda images, labels: (2 * images, labels)),
    "doubled": lambda: batches().map(lambda *batch: tuple(tf.repeat(part, 2, 0) for part in batch)),
    "take": lambda: batches().take(3).prefetch(2),
    "zip": lambda: tf.data.Dataset.zip(batches(), DATA.batches(6, True, seed=5)),
}
OTHERWISE = {
    "batched again": lambda: batches().unbatch().batch(12),
    "cached": lambda: drawn_before(batches().cache()),
    "left out": lambda: batches().skip(1),
    "moved": lambda: batches().shuffle(4, seed=1),
    "repeated": lambda: batches().take(2).repeat(2),
    "joined": lambda: batches().concatenate(batches()),
    "joined with others": lambda: tf.data.Dataset.zip(batches(), WEIGHTS),
}


def read(dataset, number, agree=lambda what, digest: None):
    """Read the share of process `number` of two. Return rows, and whether each batch is divided."""
    batches = SimpleNamespace(share=Share(number, 2, 2), agree=agree, is_divided=True)
    return [
        ([part.numpy() for part in tf.nest.flatten(batch)], batches.is_divided)
        for batch in OwnBatches(dataset, batches)
    ]


@pytest.mark.parametrize("case", IN_PLACE | OTHERWISE)
def test_two_shares_make_the_batches_of_one_process(case):
    make = (IN_PLACE | OTHERWISE)[case]
    assert bool(streams_of(make())) == (case in IN_PLACE)
    whole = [[part.numpy() for part in tf.nest.flatten(batch)] for batch in make()]
    for parts, (first, is_divided), (second, _) in zip(
        whole, read(make(), 0), read(make(), 1), strict=True
    ):
        for part, one, other in zip(parts, first, second, strict=True):
            if is_divided:
                np.testing.assert_allclose(np.concatenate([one, other]), part, atol=1e-6)
            else:
                np.testing.assert_allclose(one, part, atol=1e-6)
                np.testing.assert_allclose(other, part, atol=1e-6)


def digests(dataset):
    told = []
    read(dataset, 0, lambda what, digest: told.append(digest()))
    return told


def own(images):
    return tf.data.Dataset.from_tensor_slices(images).batch(6)


@pytest.mark.parametrize(
    "other",
    [
        DATA.batches(6, True, seed=1),
        DATA.batches(8, True),
        DATA.batches(6, True, initial_epoch=1),
        own(IMAGES),
        own(IMAGES[::-1]),
    ],
)
def test_processes_agree_on_their_data(other):
    assert digests(DATA.batches(6, True)) == digests(DATA.batches(6, True))
    assert digests(own(IMAGES[1:])) == digests(own(IMAGES[1:]))
    assert digests(other) not in (digests(DATA.batches(6, True)), digests(own(IMAGES[1:])))


def test_a_map_that_changes_the_number_of_rows_is_an_error():
    dataset = batches().map(lambda images, labels: (images[:2], labels[:2]))
    with pytest.raises(ValueError, match=r"`\.map`.*batch_size=6"):
        read(dataset, 0)
