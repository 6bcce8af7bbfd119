"""Tests of `PairEvaluation` and of `AveragedWeights` before it, against scikit-learn."""

import keras
import numpy as np
import pytest
from sklearn import metrics

from siamese_verify import (
    AveragedWeights,
    ConvTower,
    CosineHead,
    PairDataset,
    PairEvaluation,
    SiameseModel,
)

N_CLASSES, PER_CLASS = 5, 6
CLASSES = np.repeat(np.arange(N_CLASSES), PER_CLASS)
FACES = (
    np.random.default_rng(0).integers(0, 120, (N_CLASSES, 1, 6, 6, 1))
    + np.random.default_rng(1).integers(0, 120, (N_CLASSES, PER_CLASS, 6, 6, 1))
).reshape(-1, 6, 6, 1).astype(np.uint8)  # fmt: skip
INDICES = np.random.default_rng(2).integers(len(FACES), size=(60, 2))
LABELS = (CLASSES[INDICES[:, 0]] == CLASSES[INDICES[:, 1]]).astype(np.int32)
PAIRS = PairDataset.from_arrays(FACES, LABELS, indices=INDICES)


def scores_by_hand(kernel, bias):
    """The cosines of embeddings by one dense layer."""
    embeddings = FACES.reshape(len(FACES), -1) / 255 @ kernel + bias
    left, right = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))[INDICES.T]
    return np.sum(left * right, axis=1)


def figures_by_hand(scores, labels):
    far, tar, thresholds = metrics.roc_curve(labels, scores, drop_intermediate=False)
    # The curve crosses the line of equal errors on one of its steps.
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


def classify(optimizer, *callbacks, epochs=3, first=()):
    """Train a classifier of identities, with a `PairEvaluation`. Each epoch is one step."""
    keras.utils.set_random_seed(0)
    tower = ConvTower([], (6, 6, 1), 4, activation=None)
    classifier = keras.Sequential([tower, keras.layers.Dense(N_CLASSES, "softmax")])
    classifier.compile(optimizer, "sparse_categorical_crossentropy")
    evaluation = PairEvaluation(SiameseModel(tower, CosineHead()), PAIRS)
    callbacks = [*first, evaluation, *callbacks]
    history = classifier.fit(
        FACES / np.float32(255), CLASSES, len(FACES), epochs, verbose=0, callbacks=callbacks
    ).history
    return history, evaluation, classifier


def swapped():
    return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)


class Weights(keras.callbacks.Callback):
    """The weights after each epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append([weight.copy() for weight in self.model.get_weights()])


def test_the_figures_of_pairs_stand_in_the_history_of_another_models_training():
    before = Weights()
    history, evaluation, classifier = classify(keras.optimizers.SGD(1.0), first=[before])
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


def test_a_model_of_another_tower_than_in_training_raises():
    one, other = (ConvTower([], (6, 6, 1), 4, activation=None) for _ in range(2))
    evaluation = PairEvaluation(SiameseModel(one, CosineHead()), PAIRS)
    with pytest.raises(ValueError, match="made of the tower that is being trained"):
        evaluation.set_model(keras.Sequential([other, keras.layers.Dense(2)]))


def test_a_model_or_pairs_that_cannot_be_evaluated_raise_before_training():
    tower = ConvTower([], (6, 6, 1), 4, activation=None)
    model = SiameseModel(tower, CosineHead())
    with pytest.raises(TypeError, match="Received: model of ConvTower"):
        PairEvaluation(tower, PAIRS)
    same = PairDataset.from_arrays(FACES, np.ones(60, np.int32), indices=INDICES)
    with pytest.raises(ValueError, match=r"Received: 60 pairs, with labels \{1\}"):
        PairEvaluation(model, same)
    larger = PairDataset.from_arrays(np.zeros((30, 8, 8, 1), np.uint8), LABELS, indices=INDICES)
    with pytest.raises(ValueError, match="expected shape"):
        PairEvaluation(model, larger)


def test_early_stopping_can_follow_the_figures_of_pairs():
    stop = keras.callbacks.EarlyStopping("val_auc", mode="max", patience=2)
    history, _, _ = classify(keras.optimizers.SGD(0.0), stop, epochs=9)
    assert len(history["val_auc"]) == 3
    assert len(set(history["val_auc"])) == 1


# --- With averaged weights


def averaging():
    return keras.optimizers.SGD(2.0, momentum=0.9, use_ema=True, ema_momentum=0.8)


def test_after_averaged_weights_pairs_are_scored_with_the_averages():
    before, after = Weights(), Weights()
    history, _, classifier = classify(
        averaging(), after, epochs=4, first=[before, AveragedWeights()]
    )
    average, differs = before.seen[0], False
    for epoch, own in enumerate(before.seen):
        if epoch:
            average = [0.8 * a + 0.2 * w for a, w in zip(average, own, strict=True)]
        expected, of_own = (
            figures_by_hand(scores_by_hand(*weights[:2]), PAIRS.labels)
            for weights in (average, own)
        )
        assert {name: history[name][epoch] for name in expected} == pytest.approx(expected)
        differs |= abs(expected["val_auc"] - of_own["val_auc"]) > 0.01
        for seen, weight in zip(after.seen[epoch], average, strict=True):
            np.testing.assert_allclose(seen, weight, rtol=1e-4, atol=1e-5)
    assert differs  # Or nothing would have been tested.
    for weight, expected in zip(classifier.get_weights(), average, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)  # As Keras ends.


def test_averaged_weights_leave_the_training_as_it_would_be_without_them():
    with_averages, without = Weights(), Weights()
    classify(averaging(), epochs=3, first=[with_averages, AveragedWeights()])
    classify(averaging(), epochs=3, first=[without])
    for one, other in zip(with_averages.seen, without.seen, strict=True):
        for actual, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(actual, expected)


class Choice(keras.callbacks.Callback):
    """A figure that is highest in the third epoch."""

    def on_epoch_end(self, epoch, logs=None):
        logs["choice"] = -abs(epoch - 2)


@pytest.mark.parametrize("kind", [AveragedWeights, swapped], ids=["averaged", "swapped"])
def test_the_kept_weights_are_the_weights_whose_figure_was_logged(kind, tmp_path):
    # The best epoch is the third one, by a figure that does not depend on the training.
    path = tmp_path / "best.weights.h5"
    best = {"monitor": "choice", "mode": "max"}
    stop = keras.callbacks.EarlyStopping(**best, patience=9, restore_best_weights=True)
    keep = keras.callbacks.ModelCheckpoint(
        path, **best, save_best_only=True, save_weights_only=True
    )
    after = Weights()
    history, evaluation, classifier = classify(
        averaging(), after, Choice(), keep, stop, epochs=5, first=[kind()]
    )
    best_epoch = 2
    assert evaluation.measure() == {
        name: values[best_epoch] for name, values in history.items() if name.startswith("val_")
    }
    for actual, expected in zip(classifier.get_weights(), after.seen[best_epoch], strict=True):
        np.testing.assert_array_equal(actual, expected)
    for weight in classifier.weights:
        weight.assign(np.zeros(weight.shape))
    classifier.load_weights(path)
    assert evaluation.measure()["val_auc"] == history["val_auc"][best_epoch]


def test_early_stopping_ends_with_the_averages():
    after = Weights()
    stop = keras.callbacks.EarlyStopping("val_auc", mode="min", patience=1)
    _, _, classifier = classify(averaging(), after, stop, epochs=8, first=[AveragedWeights()])
    assert len(after.seen) < 8
    for actual, expected in zip(classifier.get_weights(), after.seen[-1], strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_averaged_weights_need_an_optimizer_that_averages():
    with pytest.raises(ValueError, match=r"use_ema=True\. Received: optimizer=SGD"):
        classify(keras.optimizers.SGD(0.1), first=[AveragedWeights()])
