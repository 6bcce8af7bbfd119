"""Tests of `OneShotAccuracy`."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from eagerly import eager  # noqa: F401

from siamese_verify import (
    AveragedWeights,
    ConvTower,
    EuclideanHead,
    OneShotAccuracy,
    SiameseModel,
)
from siamese_verify.data.lfw import lfw_sample

IDENTITIES = [
    identity for identity, n in zip("abcdefg", (1, 2, 3, 4, 1, 2, 5), strict=True) for _ in range(n)
]
NUMBERS = np.unique(IDENTITIES, return_inverse=True)[1]


def knows(embeddings):
    """A model that returns known embeddings, compared by distance."""
    return SimpleNamespace(embed=lambda images: embeddings, head=EuclideanHead())


def one_shot(**arguments):
    arguments = {"n_way": 4, "trials": 50, **arguments}
    return OneShotAccuracy(np.zeros((len(IDENTITIES), 6, 6, 1), np.uint8), IDENTITIES, **arguments)


@pytest.mark.parametrize("n_way", [2, 4, 7])
def test_a_trial_holds_a_probe_its_match_and_other_identities(n_way):
    trials = one_shot(n_way=n_way, trials=200).trials
    assert trials.shape == (200, 1 + n_way)
    assert np.all(trials[:, 0] != trials[:, 1])
    identities = NUMBERS[trials]
    assert np.all(identities[:, 0] == identities[:, 1])
    assert all(len(set(gallery)) == n_way for gallery in identities[:, 1:].tolist())
    # Nobody and no image is left out: who has two images is probed, all are compared.
    assert set(identities[:, 0]) == {1, 2, 3, 5, 6}
    assert set(trials.ravel()) == set(range(len(IDENTITIES)))


def test_trials_follow_from_the_seed():
    np.testing.assert_array_equal(one_shot(seed=3).trials, one_shot(seed=3).trials)
    assert not np.array_equal(one_shot(seed=3).trials, one_shot(seed=4).trials)


@pytest.mark.parametrize(
    ("embeddings", "expected"),
    [
        (np.eye(7)[NUMBERS], 1.0),  # one place for each identity
        (np.zeros((len(IDENTITIES), 7)), 0.0),  # one place for all: a tie does not count
        (np.arange(len(IDENTITIES))[:, None] % 2 * np.ones(7), None),  # ties of some
        (np.random.default_rng(0).normal(size=(len(IDENTITIES), 7)), None),
    ],
    ids=["perfect", "constant", "tied", "random"],
)
def test_accuracy_counts_the_trials_in_which_the_match_is_nearest_alone(embeddings, expected):
    callback = one_shot()
    actual = callback.accuracy(knows(embeddings.astype(np.float32)))
    hits = 0
    for probe, *gallery in callback.trials.tolist():
        match, *others = (np.linalg.norm(embeddings[probe] - embeddings[i]) for i in gallery)
        hits += match < min(others)
    assert actual == hits / 50
    if expected is not None:
        assert actual == expected


def test_early_stopping_can_follow_the_accuracy_of_each_epoch():
    rng = np.random.default_rng(0)
    images, labels = rng.random((4, 6, 6, 1), np.float32), np.array([0, 1, 0, 1])
    model = SiameseModel(ConvTower([], (6, 6, 1), 4), EuclideanHead())
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    # All validation images are equal: nobody is recognised, and nothing improves.
    callbacks = [
        one_shot(),
        keras.callbacks.EarlyStopping("val_one_shot_accuracy", mode="max", patience=2),
    ]
    history = model.fit((images, images[::-1]), labels, epochs=9, verbose=0, callbacks=callbacks)
    assert history.history["val_one_shot_accuracy"] == [0.0] * 3


def test_samples_tell_who_is_on_them():
    samples = [lfw_sample(identity, number) for number, identity in enumerate(IDENTITIES, 1)]
    images = np.zeros((len(IDENTITIES), 6, 6, 1), np.uint8)
    trials = OneShotAccuracy(images, samples, n_way=4, trials=50).trials
    np.testing.assert_array_equal(trials, one_shot().trials)


def trained_with(optimizer, epochs, *before):
    """Accuracies in the history, of the weights in training, and at the end."""
    images = np.random.default_rng(0).random((len(IDENTITIES), 6, 6, 1), np.float32)
    callback = OneShotAccuracy(images, IDENTITIES, n_way=4, trials=200)
    model = SiameseModel(ConvTower([], (6, 6, 1), 4, activation=None), EuclideanHead())
    model.compile(optimizer, loss="mse")
    seen = []
    after = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(callback.accuracy(model))
    )
    history = model.fit(
        (images[:8], images[8:16]),
        np.arange(8) % 2,
        epochs=epochs,
        verbose=0,
        callbacks=[*before, callback, after],
    ).history["val_one_shot_accuracy"]
    return history, seen, callback.accuracy(model)


def test_the_accuracy_in_the_history_is_the_models_after_the_epoch():
    history, seen, end = trained_with(keras.optimizers.SGD(1.0), epochs=2)
    assert history == seen
    assert end == seen[-1]


def test_the_accuracy_is_the_averaged_weights_if_the_model_has_them():
    def optimizer():
        return keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)

    keras.utils.set_random_seed(0)
    own, _, _ = trained_with(optimizer(), 3)
    keras.utils.set_random_seed(0)
    history, seen, end = trained_with(optimizer(), 3, AveragedWeights())
    assert history == seen
    assert history[-1] == end  # Keras ends with the averages.
    assert history != own  # Or nothing would have been tested.


def test_another_model_in_training_raises_before_it():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    weights = model.get_weights()
    with pytest.raises(TypeError, match=r"SiameseModel in training.*Received: model of Sequential"):
        model.fit(np.ones((4, 3)), np.ones(4), verbose=0, callbacks=[one_shot()])
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


@pytest.mark.parametrize(
    ("identities", "wrong", "match"),
    [
        ("aabb", {"n_way": 1}, "n_way=1"),
        ("aabb", {"n_way": 2.0}, "n_way=2.0"),
        ("aabb", {"n_way": 3}, "n_way=3, 2 identities"),
        ("abcd", {"n_way": 2}, "0 of them"),
        ("aabb", {"n_way": 2, "trials": 0}, "trials=0"),
        ("aab", {"n_way": 2}, "4 images, 3 identities"),
        ("aabbc", {"n_way": 2}, "4 images, 5 identities"),
    ],
)
def test_trials_that_cannot_be_drawn_raise(identities, wrong, match):
    with pytest.raises(ValueError, match=f"Received: .*{match}"):
        OneShotAccuracy(np.zeros((4, 6, 6, 1), np.uint8), list(identities), **wrong)
