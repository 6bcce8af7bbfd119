"""Tests of the callbacks."""

import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from sklearn import metrics

from siamese_verify import (
    ConvTower,
    CosineHead,
    EpochSeconds,
    EuclideanHead,
    Koch2015Schedule,
    OneShotAccuracy,
    PairEvaluation,
    Preprocessing,
    SiameseModel,
)
from siamese_verify.data.lfw import lfw_sample

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


def test_a_rate_is_scheduled_in_mixed_precision_too():
    # So Keras wraps the optimizer with the policy mixed_float16.
    model = linear_model(keras.optimizers.LossScaleOptimizer(sgd()))
    history = fit(model, schedule(), epochs=EPOCHS)
    assert history["learning_rate"] == pytest.approx(RATES)
    assert history["momentum"] == pytest.approx(MOMENTA)
    np.testing.assert_allclose(model.get_weights()[0], replay(RATES, MOMENTA), rtol=1e-4)


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
    identity for identity, n in zip("abcdefg", (1, 2, 3, 4, 1, 2, 5), strict=True) for _ in range(n)
]
NUMBERS = np.unique(PEOPLE, return_inverse=True)[1]


def knows(embeddings):
    """A model that gives known embeddings, compared by distance."""
    return SimpleNamespace(embed=lambda images: embeddings, head=EuclideanHead())


def one_shot(**arguments):
    arguments = {"n_way": 4, "trials": 50, **arguments}
    return OneShotAccuracy(np.zeros((len(PEOPLE), 6, 6, 1), np.uint8), PEOPLE, **arguments)


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
    assert set(trials.ravel()) == set(range(len(PEOPLE)))


def test_trials_follow_from_the_seed():
    np.testing.assert_array_equal(one_shot(seed=3).trials, one_shot(seed=3).trials)
    assert not np.array_equal(one_shot(seed=3).trials, one_shot(seed=4).trials)


@pytest.mark.parametrize(
    ("embeddings", "expected"),
    [
        (np.eye(7)[NUMBERS], 1.0),  # one place for each identity
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
    # All validation images are equal: nobody is recognised, and nothing improves.
    callbacks = [
        one_shot(),
        keras.callbacks.EarlyStopping("val_one_shot_accuracy", mode="max", patience=2),
    ]
    history = model.fit((images, images[::-1]), labels, epochs=9, verbose=0, callbacks=callbacks)
    assert history.history["val_one_shot_accuracy"] == [0.0] * 3


def test_samples_tell_who_is_on_them():
    samples = [lfw_sample(identity, number) for number, identity in enumerate(PEOPLE, 1)]
    images = np.zeros((len(PEOPLE), 6, 6, 1), np.uint8)
    trials = OneShotAccuracy(images, samples, n_way=4, trials=50).trials
    np.testing.assert_array_equal(trials, one_shot().trials)


def trained_with(optimizer, epochs):
    """The accuracies in the history, those of the weights in training, and that of the end."""
    images = np.random.default_rng(0).random((len(PEOPLE), 6, 6, 1), np.float32)
    callback = OneShotAccuracy(images, PEOPLE, n_way=4, trials=200)
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
        callbacks=[callback, after],
    ).history["val_one_shot_accuracy"]
    return history, seen, callback.accuracy(model)


def test_the_accuracy_in_the_history_is_that_of_the_model_after_the_epoch():
    history, seen, end = trained_with(keras.optimizers.SGD(1.0), epochs=2)
    assert history == seen
    assert end == seen[-1]


def test_the_accuracy_is_that_of_the_averaged_weights():
    optimizer = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    history, live, end = trained_with(optimizer, epochs=3)
    assert history[-1] == end  # Keras ends with the averages.
    assert history != live  # Or nothing would have been tested.


def test_another_model_in_training_is_refused_before_it():
    model = linear_model("sgd")
    with pytest.raises(TypeError, match=r"SiameseModel in training.*Received: model of Sequential"):
        fit(model, one_shot())
    np.testing.assert_array_equal(model.get_weights()[0], START)


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
def test_trials_that_cannot_be_drawn_are_refused(identities, wrong, match):
    with pytest.raises(ValueError, match=f"Received: .*{match}"):
        OneShotAccuracy(np.zeros((4, 6, 6, 1), np.uint8), list(identities), **wrong)


# --- PairEvaluation

N_CLASSES, PER_CLASS = 5, 6
CLASSES = np.repeat(np.arange(N_CLASSES), PER_CLASS)
FACES = (
    np.random.default_rng(0).integers(0, 120, (N_CLASSES, 1, 6, 6, 1))
    + np.random.default_rng(1).integers(0, 120, (N_CLASSES, PER_CLASS, 6, 6, 1))
).reshape(-1, 6, 6, 1).astype(np.uint8)  # fmt: skip
INDICES = np.random.default_rng(2).integers(len(FACES), size=(60, 2))
PAIRS = SimpleNamespace(
    preprocessing=Preprocessing((6, 6)),
    images=FACES,
    indices=INDICES,
    labels=(CLASSES[INDICES[:, 0]] == CLASSES[INDICES[:, 1]]).astype(np.int32),
)


def scores_by_hand(kernel, bias):
    """The cosines of embeddings by one dense layer."""
    embeddings = FACES.reshape(len(FACES), -1) / 255 @ kernel + bias
    left, right = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))[INDICES.T]
    return np.sum(left * right, axis=1)


def figures_by_hand(scores, labels):
    far, tar, thresholds = metrics.roc_curve(labels, scores, drop_intermediate=False)
    # Where the curve crosses the line on which both errors are equal; no step of it is longer.
    after = np.argmax(far >= 1 - tar)
    (a, b), (c, d) = zip(far[after - 1 : after + 1], 1 - tar[after - 1 : after + 1], strict=True)
    share = (c - a) / ((c - a) + (b - d))
    return {
        "val_auc": metrics.roc_auc_score(labels, scores),
        "val_equal_error_rate": a + share * (b - a),
        "val_best_threshold_accuracy": max(
            metrics.accuracy_score(labels, scores >= threshold) for threshold in thresholds
        ),
    }


def classify(optimizer, *callbacks, epochs=3):
    """Trains a classifier of identities; each epoch is a step. With the callback of its tower."""
    keras.utils.set_random_seed(0)
    tower = ConvTower([], (6, 6, 1), 4, activation=None)
    classifier = keras.Sequential([tower, keras.layers.Dense(N_CLASSES, "softmax")])
    classifier.compile(optimizer, "sparse_categorical_crossentropy")
    evaluation = PairEvaluation(SiameseModel(tower, CosineHead()), PAIRS)
    callbacks = [*callbacks[:1], evaluation, *callbacks[1:]]
    history = classifier.fit(
        FACES / np.float32(255), CLASSES, len(FACES), epochs, verbose=0, callbacks=callbacks
    ).history
    return history, evaluation, classifier


class Weights(keras.callbacks.Callback):
    """Those after each epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append([weight.copy() for weight in self.model.get_weights()])


def test_the_figures_of_pairs_stand_in_the_history_of_another_models_training():
    before = Weights()
    history, evaluation, classifier = classify(keras.optimizers.SGD(1.0), before)
    assert evaluation.model is classifier
    for epoch, (kernel, bias, *_) in enumerate(before.seen):
        expected = figures_by_hand(scores_by_hand(kernel, bias), PAIRS.labels)
        assert {name: history[name][epoch] for name in expected} == pytest.approx(expected)
    assert len(set(history["val_auc"])) > 1
    scores = evaluation.verification_model.score(PAIRS.images, PAIRS.indices)
    figures = evaluation.measure()
    assert figures == pytest.approx(figures_by_hand(scores, PAIRS.labels))
    assert {type(figure) for figure in figures.values()} == {float}


def test_figures_of_pairs_are_nan_where_weights_are():
    history, _, _ = classify(keras.optimizers.SGD(np.nan), epochs=1)
    names = ("val_auc", "val_equal_error_rate", "val_best_threshold_accuracy")
    assert np.isnan([history[name][0] for name in names]).all()


def test_a_model_of_another_tower_than_the_one_in_training_is_refused():
    one, other = (ConvTower([], (6, 6, 1), 4, activation=None) for _ in range(2))
    evaluation = PairEvaluation(SiameseModel(one, CosineHead()), PAIRS)
    with pytest.raises(ValueError, match="made of the tower that is being trained"):
        evaluation.set_model(keras.Sequential([other, keras.layers.Dense(2)]))


def test_what_cannot_be_evaluated_is_refused_before_training():
    tower = ConvTower([], (6, 6, 1), 4, activation=None)
    model = SiameseModel(tower, CosineHead())
    with pytest.raises(TypeError, match="Received: model of ConvTower"):
        PairEvaluation(tower, PAIRS)
    same = SimpleNamespace(**{**vars(PAIRS), "labels": np.ones(60, np.int32)})
    with pytest.raises(ValueError, match=r"Received: 60 pairs, with labels \{1\}"):
        PairEvaluation(model, same)
    larger = SimpleNamespace(**{**vars(PAIRS), "preprocessing": Preprocessing((8, 8))})
    with pytest.raises(ValueError, match="expected shape"):
        PairEvaluation(model, larger)


def test_early_stopping_can_follow_the_figures_of_pairs():
    stop = keras.callbacks.EarlyStopping("val_auc", mode="max", patience=2)
    history, _, _ = classify(keras.optimizers.SGD(0.0), Weights(), stop, epochs=9)
    assert len(history["val_auc"]) == 3
    assert len(set(history["val_auc"])) == 1


def test_pairs_are_scored_with_the_averaged_weights_and_training_goes_on_with_its_own():
    def optimizer():
        return keras.optimizers.SGD(2.0, momentum=0.9, use_ema=True, ema_momentum=0.8)

    before, after = Weights(), Weights()
    history, _, classifier = classify(optimizer(), before, after, epochs=4)
    average, differs = before.seen[0], False
    for epoch, live in enumerate(before.seen):
        if epoch:
            average = [0.8 * a + 0.2 * w for a, w in zip(average, live, strict=True)]
        expected, of_live = (
            figures_by_hand(scores_by_hand(*weights[:2]), PAIRS.labels)
            for weights in (average, live)
        )
        assert {name: history[name][epoch] for name in expected} == pytest.approx(expected)
        differs |= abs(expected["val_auc"] - of_live["val_auc"]) > 0.01
        for kept, weight in zip(after.seen[epoch], live, strict=True):
            np.testing.assert_array_equal(kept, weight)
    assert differs  # Or nothing would have been tested.
    for weight, expected in zip(classifier.get_weights(), average, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)  # As Keras ends.
