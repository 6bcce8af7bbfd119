"""Tests of `Resumable`: interrupted runs against undisturbed ones, bit for bit."""

import csv
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import resumable_run
from resumable_run import EPOCHS, MOMENTS, Interruption, built, data, run, siamese_model

import siamese_verify as sv


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    resumable_run.write_images(folder)
    return folder


# Keras's CSVLogger leaves its file open where `fit` is interrupted.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Fresh:
    """A model that is trained from its first weights again and again, and compiled once."""

    def __init__(self, model):
        model.optimizer.build(model.trainable_variables)
        self.model = model
        self.variables = [*model.variables, *model.optimizer.variables]
        self.values = [keras.ops.convert_to_numpy(variable) for variable in self.variables]

    def __call__(self):
        """Return the model as a new process would make it."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)
        keras.utils.set_random_seed(0)
        return self.model

    def spoiled(self):
        """Return the model with other weights and seeds, none of which may matter."""
        keras.utils.set_random_seed(1)
        for variable in self.variables:
            variable.assign(np.ones(variable.shape))
        return self.model


@pytest.fixture(scope="module")
def fresh(images):
    keras.utils.set_random_seed(0)
    return Fresh(built(siamese_model(), data(images)[0]))


@pytest.fixture(autouse=True)
def seeds():
    keras.utils.set_random_seed(0)


def interrupt():
    raise KeyboardInterrupt


def figures(history):
    """The history without times."""
    return {name: values for name, values in history.history.items() if name != "seconds"}


def values(optimizer):
    return [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]


def end_of(model, history, folder):
    """All that a run leaves."""
    checkpoints = {}
    copy = siamese_model()
    copy.optimizer.build(copy.trainable_variables)
    for path in sorted(folder.glob("*.weights.h5")):
        copy.load_weights(path)
        checkpoints[path.name] = [*copy.get_weights(), *values(copy.optimizer)]
    with (folder / "log.csv").open(newline="") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return {
        "weights": model.get_weights(),
        "optimizer": values(model.optimizer),
        "checkpoints": checkpoints,
        "history": figures(history),
        "epochs": history.epoch,
        "rows": rows,
    }


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    assert actual["history"] == expected["history"]
    assert actual["epochs"] == expected["epochs"]
    assert actual["rows"] == expected["rows"]
    assert actual["checkpoints"].keys() == expected["checkpoints"].keys()
    for part in ("weights", "optimizer"):
        for one, other in zip(actual[part], expected[part], strict=True):
            np.testing.assert_array_equal(one, other)
    for name, weights in expected["checkpoints"].items():
        for one, other in zip(actual["checkpoints"][name], weights, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def undisturbed(images, fresh, tmp_path_factory):
    """The end of a run without `Resumable`."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return end_of(*run(images, folder, fresh(), wrap=None), folder)


def test_the_run_is_worth_testing(undisturbed):
    assert undisturbed["epochs"] == list(range(EPOCHS))
    assert len(set(undisturbed["history"]["loss"])) == EPOCHS
    assert len(set(undisturbed["history"]["val_auc"])) > 1


@pytest.mark.parametrize(
    "moment",
    [MOMENTS[0], *(pytest.param(moment, marks=pytest.mark.slow) for moment in MOMENTS[1:])],
)
def test_an_interrupted_run_ends_as_an_undisturbed_one(
    moment, images, fresh, tmp_path, undisturbed
):
    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path, fresh(), interruption=Interruption(moment, interrupt))
    assert_same(end_of(*run(images, tmp_path, fresh.spoiled()), tmp_path), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["in a batch", "while the state is written"])
def test_a_killed_process_goes_on_in_another_one(moment, images, fresh, tmp_path, undisturbed):
    script = [sys.executable, Path(resumable_run.__file__), images, tmp_path, moment]
    killed = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert killed.returncode == -9, killed.stderr[-3000:]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + (
        2 if moment == "in a batch" else 3
    )
    assert bool(list(tmp_path.glob(".unfinished-*"))) == (moment == "while the state is written")
    assert_same(end_of(*run(images, tmp_path, fresh.spoiled()), tmp_path), undisturbed)


@pytest.mark.slow
def test_a_finished_run_does_nothing_more_and_a_raised_number_of_epochs_prolongs_it(
    images, fresh, tmp_path, undisturbed
):
    short = end_of(*run(images, tmp_path, fresh(), epochs=3), tmp_path)
    state = (tmp_path / "state.npz").read_bytes()
    assert_same(end_of(*run(images, tmp_path, fresh.spoiled(), epochs=3), tmp_path), short)
    assert (tmp_path / "state.npz").read_bytes() == state
    assert_same(end_of(*run(images, tmp_path, fresh.spoiled()), tmp_path), undisturbed)


def test_an_interruption_in_the_first_epoch_goes_on_from_the_first_weights(images, fresh, tmp_path):
    batches, _, _ = data(images)  # the same object in both calls, as in a notebook
    first = Interruption("in a batch", interrupt, epoch=0)

    def train(model, callbacks):
        return figures(model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=callbacks))

    with pytest.raises(KeyboardInterrupt):
        train(fresh(), [sv.Resumable(tmp_path, [first])])
    history = train(fresh.spoiled(), [sv.Resumable(tmp_path, [Interruption("never", None)])])
    batches, _, _ = data(images)
    assert history == train(fresh(), [])


# --- Each kind of data set


def classifier():
    tower = sv.ConvTower([sv.ConvBlock(4, 3, dropout=0.3)], (8, 8, 1), embedding_size=6)
    model = keras.Sequential([tower, keras.layers.Dense(24, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    "kind",
    [*(pytest.param(k, marks=pytest.mark.slow) for k in ("pairs", "images of pairs")), "mapped"],
)
def test_every_data_set_goes_on_where_it_was(kind, images, fresh, tmp_path):
    def train(model, callbacks):
        batches, _, _ = data(images, kind)
        history = model.fit(batches, epochs=4, shuffle=False, verbose=0, callbacks=callbacks)
        return figures(history), model.get_weights()

    if kind == "images of pairs":
        fresh = Fresh(built(classifier(), data(images, kind)[0]))
    expected = train(fresh(), [])
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), [sv.Resumable(tmp_path, [Interruption("in a batch", interrupt)])])
    resumed = train(fresh.spoiled(), [sv.Resumable(tmp_path, [Interruption("never", None)])])
    assert resumed[0] == expected[0]
    for actual, weight in zip(resumed[1], expected[1], strict=True):
        np.testing.assert_array_equal(actual, weight)


@pytest.mark.slow
def test_a_model_of_a_new_process_goes_on(images, tmp_path):
    def train(seed, callbacks):
        keras.utils.set_random_seed(seed)
        batches, _, _ = data(images, "identities")
        model = classifier()  # With JAX, `fit` draws a batch to build it.
        history = model.fit(batches, epochs=4, shuffle=False, verbose=0, callbacks=callbacks)
        return figures(history), model.get_weights()

    expected = train(0, [])
    with pytest.raises(KeyboardInterrupt):
        train(0, [sv.Resumable(tmp_path, [Interruption("in a batch", interrupt)])])
    resumed = train(1, [sv.Resumable(tmp_path, [Interruption("never", None)])])
    assert resumed[0] == expected[0]
    for actual, weight in zip(resumed[1], expected[1], strict=True):
        np.testing.assert_array_equal(actual, weight)


# --- Single callbacks, with the data in memory

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = X[:, :1] * 2


def dense_model(optimizer=None, units=1):
    layers = [keras.Input((3,)), keras.layers.Dropout(0.2), keras.layers.Dense(units)]
    model = keras.Sequential(layers)
    model.compile(optimizer or keras.optimizers.SGD(0.1, momentum=0.5), "mse")
    return model


def fit(folder, callbacks, model=None, epochs=4, **arguments):
    model = model or dense_model()
    with pytest.warns(UserWarning, match="draws no data set made by `batches`"):
        history = model.fit(
            X,
            Y,
            batch_size=4,
            shuffle=False,
            epochs=epochs,
            verbose=0,
            callbacks=[sv.Resumable(folder, callbacks)],
            **arguments,
        )
    return history, model


def test_early_stopping_that_has_stopped_stays_stopped(tmp_path):
    def stop():
        return [keras.callbacks.EarlyStopping("loss", mode="max", patience=1, min_delta=1e9)]

    first, model = fit(tmp_path, stop(), epochs=9)
    assert first.epoch == [0, 1]
    second = dense_model()
    history = second.fit(X, Y, epochs=9, verbose=0, callbacks=[sv.Resumable(tmp_path, stop())])
    assert history.history == first.history
    assert history.epoch == [0, 1]
    for actual, expected in zip(second.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


def interrupted_and_resumed(tmp_path, callbacks, optimizer):
    expected, _ = fit(tmp_path / "whole", callbacks(tmp_path / "whole"), dense_model(optimizer()))
    keras.utils.set_random_seed(0)
    moment = Interruption("in a batch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", [*callbacks(tmp_path / "cut"), moment], dense_model(optimizer()))
    never = Interruption("never", None)
    model = dense_model(optimizer())
    resumed = model.fit(
        X,
        Y,
        batch_size=4,
        shuffle=False,
        epochs=4,
        verbose=0,
        callbacks=[sv.Resumable(tmp_path / "cut", [*callbacks(tmp_path / "cut"), never])],
    )
    return expected, resumed


def test_the_schedule_of_koch_goes_on(tmp_path):
    expected, resumed = interrupted_and_resumed(
        tmp_path,
        lambda folder: [sv.Koch2015Schedule(epochs=3)],
        lambda: keras.optimizers.SGD(0.1, momentum=0.5),
    )
    assert resumed.history == expected.history
    assert len(set(resumed.history["momentum"])) == 4


def test_swapped_averages_go_on(tmp_path):
    expected, resumed = interrupted_and_resumed(
        tmp_path,
        lambda folder: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
        lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5),
    )
    assert resumed.history == expected.history
    for actual, weight in zip(
        resumed.model.get_weights(), expected.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(actual, weight)


def test_a_log_that_is_overwritten_keeps_its_rows(tmp_path):
    def callbacks(folder):
        folder.mkdir(exist_ok=True)
        return [keras.callbacks.CSVLogger(folder / "log.csv")]

    interrupted_and_resumed(tmp_path, callbacks, lambda: keras.optimizers.SGD(0.1))
    logs = [(tmp_path / run / "log.csv").read_bytes() for run in ("whole", "cut")]
    assert logs[0] == logs[1]


def test_tensorboard_counts_on(tmp_path):
    pytest.importorskip("tensorboard")
    boards = []

    def callbacks(folder):
        boards.append(keras.callbacks.TensorBoard(folder / "board", update_freq=1))
        return boards[-1:]

    interrupted_and_resumed(tmp_path, callbacks, lambda: keras.optimizers.SGD(0.1))
    whole, _, resumed = boards
    assert resumed._global_train_batch == whole._global_train_batch == 12


def test_keras_and_python_and_numpy_go_on_with_their_random_numbers(tmp_path):
    import random

    drawn = []

    class Draw(Interruption):
        def on_epoch_end(self, epoch, logs=None):
            seeded = keras.ops.convert_to_numpy(keras.random.uniform((2,))).tolist()
            logs["drawn"] = [random.random(), np.random.rand(), *seeded]  # noqa: NPY002
            drawn.append(logs["drawn"])
            super().on_epoch_end(epoch, logs)

    def start_again():
        keras.utils.clear_session()  # Keras 3.12 keeps its generator when it is seeded again.
        keras.utils.set_random_seed(0)

    start_again()
    fit(tmp_path / "whole", [Draw("never", None)])
    expected, drawn[:] = drawn[:], []
    start_again()
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", [Draw(MOMENTS[-1], interrupt)])
    del drawn[2:]
    dense_model().fit(
        X,
        Y,
        batch_size=4,
        shuffle=False,  # with JAX, Keras shuffles by NumPy's numbers
        epochs=4,
        verbose=0,
        callbacks=[sv.Resumable(tmp_path / "cut", [Draw("never", None)])],
    )
    assert drawn == expected


# --- Arguments that raise an error


def test_a_callback_that_nothing_is_known_of_raises(tmp_path):
    class Mine(keras.callbacks.EarlyStopping):
        pass

    for callback in (Mine(), keras.callbacks.BackupAndRestore(tmp_path)):
        with pytest.raises(TypeError, match=rf"get_state.*Received: .*{type(callback).__name__}"):
            sv.Resumable(tmp_path, [callback])


@pytest.mark.parametrize(
    ("model", "callbacks", "match"),
    [
        (lambda: dense_model("adam"), [], r"another model or optimizer.*Received: .*Adam"),
        (lambda: dense_model(keras.optimizers.SGD(0.1)), [], "another model or optimizer"),
        (lambda: dense_model(units=2), [], "another model or optimizer"),
        (dense_model, [sv.EpochSeconds()], r"other callbacks.*Received: .*EpochSeconds"),
    ],
    ids=["optimizer", "its state", "model", "callbacks"],
)
def test_the_folder_of_another_run_raises(model, callbacks, match, tmp_path):
    fit(tmp_path, [], epochs=1)
    with pytest.raises(ValueError, match=match):
        model().fit(X, Y, verbose=0, callbacks=[sv.Resumable(tmp_path, callbacks)])


def test_another_data_set_raises(images, fresh, tmp_path):
    def train(model, epochs, **arguments):
        batches, _, _ = data(images, **arguments)
        model.fit(
            batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[sv.Resumable(tmp_path)]
        )

    train(fresh(), 1)
    with pytest.raises(ValueError, match="The data set differs"):
        train(fresh(), 2, seed=4)
    train(fresh(), 2)


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        (lambda batches: batches.cache(), {}),
        (lambda batches: batches.repeat(), {"steps_per_epoch": 2}),
        (lambda batches: batches, {"steps_per_epoch": 1}),
    ],
    ids=["cache", "repeat", "steps"],
)
def test_a_data_set_whose_place_cannot_be_told_raises(change, arguments, images, fresh, tmp_path):
    batches, _, _ = data(images)
    callbacks = [sv.Resumable(tmp_path)]
    with pytest.raises(ValueError, match=r"once and whole.*Received: data sets drawn"):
        fresh().fit(
            change(batches), epochs=3, shuffle=False, verbose=0, callbacks=callbacks, **arguments
        )


def test_a_run_that_has_lost_its_weights_cannot_be_prolonged(tmp_path):
    def swap():
        optimizer = keras.optimizers.SGD(0.1, use_ema=True)
        return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)], dense_model(optimizer)

    fit(tmp_path, *swap(), epochs=2)
    callbacks, model = swap()
    with pytest.raises(ValueError, match=r"cannot be prolonged.*epochs=3 after epochs=2"):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[sv.Resumable(tmp_path, callbacks)])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX builds the model itself")
def test_a_model_that_is_not_built_raises(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Build it first"):
        model.fit(X, Y, verbose=0, callbacks=[sv.Resumable(tmp_path)])


def test_a_later_fit_of_the_same_model_starts_at_its_own_epoch(tmp_path):
    _, model = fit(tmp_path, [], epochs=2)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[sv.Resumable(tmp_path)])
    assert model.fit(X, Y, epochs=1, verbose=0).epoch == [0]
