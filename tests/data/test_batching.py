"""Tests of the streams behind batches: which epoch is next, and which data they hold."""

import gc

import numpy as np
import pytest

from siamese_verify import Augmentation
from siamese_verify.data.batching import live_streams, stream

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1)).astype(np.uint8)


def batches(images=IMAGES, shuffle=True, labels=(0, 0, 1, 1, 2, 2), batch_size=4, **arguments):
    return stream(
        images,
        lambda rng: rng.permutation(6) if shuffle else np.arange(6),
        lambda rows: (rows, np.array(labels, np.int32)[rows]),
        6,
        batch_size,
        **{"seed": 0, **arguments},
    )


def source_of(dataset_maker, *args, **arguments):
    before = live_streams()
    dataset = dataset_maker(*args, **arguments)
    (source,) = [source for source in live_streams() if source not in before]
    return dataset, source


def test_each_iteration_draws_the_next_epoch():
    dataset, source = source_of(batches, initial_epoch=3)
    assert source.next_epoch == 3
    drawn = []
    for epoch in (3, 4):
        drawn.append([label.tolist() for _, label in dataset.as_numpy_iterator()])
        assert source.next_epoch == epoch + 1
        assert source.is_complete
    source.next_epoch = 3
    assert [label.tolist() for _, label in dataset.as_numpy_iterator()] == drawn[0] != drawn[1]


def test_an_iteration_that_is_broken_off_is_not_whole():
    dataset, source = source_of(batches, batch_size=1)
    next(iter(dataset))
    assert not source.is_complete


def test_a_stream_lives_as_long_as_a_dataset_made_of_its_own():
    dataset, source = source_of(batches)
    dataset = dataset.map(lambda images, labels: images).prefetch(1)
    gc.collect()
    assert source in live_streams()


@pytest.mark.parametrize(
    "change",
    [
        {"images": 255 - IMAGES},
        {"shuffle": False},
        {"labels": (0, 0, 1, 1, 2, 1)},
        {"batch_size": 3},
        {"seed": 1},
        {"augment": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_fingerprint_tells_data_sets_apart(change):
    dataset, source = source_of(batches)
    other, changed = source_of(batches, **change)
    assert source.fingerprint != changed.fingerprint
    del dataset, other


def test_the_fingerprint_does_not_depend_on_the_place():
    dataset, source = source_of(batches, augment=Augmentation())
    other, later = source_of(batches, augment=True, initial_epoch=5)
    assert source.fingerprint == later.fingerprint
    del dataset, other
