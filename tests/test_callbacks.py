"""Tests of the callbacks."""

import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from siamese_verify import (
    ConvTower,
    EpochSeconds,
    EuclideanHead,
    Koch2015Schedule,
    OneShotAccuracy,
    SiameseModel,
)

# --- A linear model, whose training is replayed by hand

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5]], np.float32)
START = np.zeros((3, 1), np.float32)


def linear_model(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([START])
    model.compile(optimizer, loss="mse")
    return model


def fit(model, *callbacks, **arguments):
    """Full batches, so that an epoch is a step."""
    arguments = {"batch_size": 8, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(X, Y, callbacks=list(callbacks), **arguments).history


def replay(rates, momenta):
    """Gradient descent with momentum, as Keras and the paper define it."""
    weights, velocity = START.astype(np.float64), np.zeros((3, 1))
    for rate, momentum in zip(rates, momenta, strict=True):
        gradient = 2 * X.T @ (X @ weights - Y) / len(X)
        velocity = momentum * velocity - rate * gradient
        weights = weights + velocity
    return weights


# --- EpochSeconds


def test_the_seconds_of_each_epoch_stand_in_the_history():
    class Nap(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            time.sleep(0.05)

    start = time.perf_counter()
    history = fit(linear_model("sgd"), EpochSeconds(), Nap(), epochs=3, validation_data=(X, Y))
    took = time.perf_counter() - start
    assert len(history["seconds"]) == 3
    assert min(history["seconds"]) >= 0.05  # validation counts
    assert sum(history["seconds"]) <= took


# --- Koch2015Schedule

EPOCHS = 5
RATES = [0.05 * 0.99**epoch for epoch in range(EPOCHS)]
MOMENTA = [0.5, 0.6, 0.7, 0.8, 0.8]  # risen after three epochs


def sgd():
    return keras.optimizers.SGD(0.05, momentum=0.5)


def schedule():
    return Koch2015Schedule(epochs=3, momentum=0.8)


def test_the_rate_falls_by_1_percent_and_momentum_rises_linearly():
    history = fit(linear_model(sgd()), schedule(), epochs=EPOCHS)
    assert history["learning_rate"] == pytest.approx(RATES)
    assert history["momentum"] == pytest.approx(MOMENTA)


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["compiled", "eager"])
def test_training_really_uses_the_scheduled_rate_and_momentum(how):
    model = linear_model(sgd())
    model.compile(model.optimizer, loss="mse", **how)
    fit(model, schedule(), epochs=EPOCHS)
    expected = replay(RATES, MOMENTA)
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-4)
    # Anything less would not do.
    assert not np.allclose(expected, replay(RATES, [0.5] * EPOCHS), rtol=1e-2)
    assert not np.allclose(expected, replay([0.05] * EPOCHS, MOMENTA), rtol=1e-3)


def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path):
    model = linear_model(sgd())
    fit(model, schedule(), epochs=2)
    model.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    history = fit(resumed, schedule(), initial_epoch=2, epochs=EPOCHS)
    assert history["learning_rate"] == pytest.approx(RATES[2:])
    assert history["momentum"] == pytest.approx(MOMENTA[2:])
    np.testing.assert_allclose(resumed.get_weights()[0], replay(RATES, MOMENTA), rtol=1e-4)


def test_momentum_stays_when_it_has_risen():
    rising = Koch2015Schedule(epochs=4, momentum=0.9, initial_momentum=0.5)
    momenta = [rising.momentum_at(epoch) for epoch in range(7)]
    assert momenta == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9])


@pytest.mark.parametrize(
    ("optimizer", "match"),
    [
        (keras.optimizers.Adam(0.01), r"Received: Adam"),
        (keras.optimizers.SGD(0.01), r"Received: SGD with momentum=0"),
        (keras.optimizers.RMSprop(0.01, momentum=0.5), r"Received: RMSprop"),
        (
            keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9), 0.5),
            r"Received: SGD with .*ExponentialDecay",
        ),
    ],
    ids=["adam", "no momentum", "rmsprop", "scheduled already"],
)
def test_an_optimizer_that_cannot_follow_is_refused_before_training(optimizer, match):
    model = linear_model(optimizer)
    with pytest.raises(ValueError, match=match):
        fit(model, schedule(), epochs=2)
    np.testing.assert_array_equal(model.get_weights()[0], START)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"momentum": 1.1},
        {"momentum": -0.1},
        {"momentum": 0.0},  # SGD without momentum has no velocity to go on with
        {"initial_momentum": 0.0},
        {"initial_momentum": 1.1},
        {"decay": 0.0},
        {"decay": 1.01},
        {"decay": float("nan")},
    ],
)
def test_a_schedule_out_of_range_is_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: .*{name}={value}"):
        Koch2015Schedule(**{"epochs": 3, **wrong})


# --- OneShotAccuracy

PEOPLE = [
    person for person, n in zip("abcdefg", (1, 2, 3, 4, 1, 2, 5), strict=True) for _ in range(n)
]
NUMBERS = np.unique(PEOPLE, return_inverse=True)[1]


def knows(embeddings):
    """A model that gives known embeddings, compared by distance."""
    return SimpleNamespace(embed=lambda images: embeddings, head=EuclideanHead())


def one_shot(**arguments):
    arguments = {"n_way": 4, "trials": 50, **arguments}
    return OneShotAccuracy(np.zeros((len(PEOPLE), 6, 6, 1), np.uint8), PEOPLE, **arguments)


@pytest.mark.parametrize("n_way", [2, 4, 7])
def test_a_trial_holds_a_probe_its_match_and_other_people(n_way):
    trials = one_shot(n_way=n_way, trials=200).trials
    assert trials.shape == (200, 1 + n_way)
    assert np.all(trials[:, 0] != trials[:, 1])
    people = NUMBERS[trials]
    assert np.all(people[:, 0] == people[:, 1])
    assert all(len(set(gallery)) == n_way for gallery in people[:, 1:].tolist())
    # Nobody and no photograph is left out: who has two photographs is probed, all are compared.
    assert set(people[:, 0]) == {1, 2, 3, 5, 6}
    assert set(trials.ravel()) == set(range(len(PEOPLE)))


def test_trials_follow_from_the_seed():
    np.testing.assert_array_equal(one_shot(seed=3).trials, one_shot(seed=3).trials)
    assert not np.array_equal(one_shot(seed=3).trials, one_shot(seed=4).trials)


@pytest.mark.parametrize(
    ("embeddings", "expected"),
    [
        (np.eye(7)[NUMBERS], 1.0),  # one place for each person
        (np.zeros((len(PEOPLE), 7)), 0.0),  # one place for all: a tie is no recognition
        (np.arange(len(PEOPLE))[:, None] % 2 * np.ones(7), None),  # ties of some
        (np.random.default_rng(0).normal(size=(len(PEOPLE), 7)), None),
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
    # All validation photographs are equal: nobody is recognised, and nothing improves.
    callbacks = [
        one_shot(),
        keras.callbacks.EarlyStopping("val_one_shot_accuracy", mode="max", patience=2),
    ]
    history = model.fit((images, images[::-1]), labels, epochs=9, verbose=0, callbacks=callbacks)
    assert history.history["val_one_shot_accuracy"] == [0.0] * 3


def test_the_accuracy_in_the_history_is_that_of_the_model_after_the_epoch():
    rng = np.random.default_rng(0)
    photographs = rng.random((len(PEOPLE), 6, 6, 1), np.float32)
    callback = OneShotAccuracy(photographs, PEOPLE, n_way=4, trials=50)
    model = SiameseModel(ConvTower([], (6, 6, 1), 4, activation=None), EuclideanHead())
    model.compile(keras.optimizers.SGD(1.0), loss="mse")
    seen = []
    after = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(callback.accuracy(model))
    )
    history = model.fit(
        (photographs[:8], photographs[8:16]),
        np.arange(8) % 2,
        epochs=2,
        verbose=0,
        callbacks=[callback, after],
    )
    assert history.history["val_one_shot_accuracy"] == seen
    assert callback.accuracy(model) == seen[-1]


@pytest.mark.parametrize(
    ("people", "wrong", "match"),
    [
        ("aabb", {"n_way": 1}, "n_way=1"),
        ("aabb", {"n_way": 3}, "n_way=3, 2 people"),
        ("abcd", {"n_way": 2}, "0 of them"),
        ("aabb", {"n_way": 2, "trials": 0}, "trials=0"),
        ("aab", {"n_way": 2}, "4 images, 3 people"),
        ("aabbc", {"n_way": 2}, "4 images, 5 people"),
    ],
)
def test_trials_that_cannot_be_drawn_are_refused(people, wrong, match):
    with pytest.raises(ValueError, match=f"Received: .*{match}"):
        OneShotAccuracy(np.zeros((4, 6, 6, 1), np.uint8), list(people), **wrong)
