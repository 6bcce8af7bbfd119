"""A training run for `test_resumable.py`, which also runs it as a process to be killed.

Arguments: folder of the images, folder of the run, moment at which to be killed (or "never").
"""

import functools
import os
import signal
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import siamese_verify as sv
from siamese_verify.training.resuming import state_file

SIZE = (8, 8)
EPOCHS = 5
# The moments of epoch 2 at which a run is interrupted.
MOMENTS = ["in a batch", "before the epoch", "in validation", "before the state is written"]


def write_images(folder):
    """Write images of 8 identities, which differ in brightness."""
    rng = np.random.default_rng(0)
    for identity in range(8):
        for number in range(3):
            pixels = rng.integers(20 * identity, 20 * identity + 100, (*SIZE, 1)).astype(np.uint8)
            path = folder / f"id{identity}" / f"id{identity}_{number + 1:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tf.io.encode_png(pixels).numpy())


@functools.cache
def datasets(images):
    """Return labelled images, training pairs and validation pairs."""
    dataset = sv.IdentityDataset.from_folder(
        images, preprocessing=sv.Preprocessing(SIZE), verbose=False
    )
    samples, rng = dataset.samples, np.random.default_rng(1)
    drawn = rng.integers(len(samples), size=(60, 2))
    pairs = [
        sv.Pair(samples[i], samples[j], int(samples[i].identity == samples[j].identity))
        for i, j in drawn.tolist()
        if i != j
    ]
    train, validation = (
        sv.PairDataset(sv.PairList(part), images, sv.Preprocessing(SIZE), verbose=False)
        for part in (pairs[:40], pairs[40:])
    )
    return dataset, train, validation


def data(images, kind="pairs", seed=3):
    """Return training batches, validation batches and the validation pairs."""
    dataset, train, validation = datasets(images)
    batches = {
        "pairs": lambda: train.batches(16, shuffle=True, seed=seed, augment=True),
        "images of pairs": lambda: train.image_batches(16, seed=seed, augment=True),
        "identities": lambda: dataset.batches(12, per_identity=3, seed=seed, augment=True),
        "mapped": lambda: train.batches(16, shuffle=True, seed=seed).map(_darker).prefetch(2),
    }[kind]()
    return batches, validation.batches(16), validation


def _darker(images, labels):
    return tuple(image / 2 for image in images), labels


def siamese_model():
    tower = sv.ConvTower(
        [sv.ConvBlock(4, 3, batch_norm=True, dropout=0.3)], (*SIZE, 1), embedding_size=6
    )
    model = sv.SiameseModel(tower, sv.WeightedL1Head())
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.8)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def built(model, batches):
    """Build a model's metrics too, for which `fit` would draw a batch with JAX."""
    model.test_on_batch(*next(batches.as_numpy_iterator()))
    return model


def callbacks(folder, validation, model):
    folder.mkdir(parents=True, exist_ok=True)
    return [
        sv.AveragedWeights(),
        sv.EpochSeconds(),
        sv.PairEvaluation(model, validation),
        sv.OneShotAccuracy(*validation.distinct_images(), n_way=2, trials=20),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.ReduceLROnPlateau("val_auc", mode="max", patience=1, factor=0.5),
        keras.callbacks.CSVLogger(folder / "log.csv", append=True),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.ModelCheckpoint(
            folder / "best.weights.h5",
            "val_auc",
            mode="max",
            save_best_only=True,
            save_weights_only=True,
        ),
        keras.callbacks.ModelCheckpoint(
            folder / "epoch-{epoch}.weights.h5", save_weights_only=True
        ),
        keras.callbacks.EarlyStopping("val_auc", mode="max", patience=4, restore_best_weights=True),
    ]


class Interruption(keras.callbacks.Callback):
    """Interrupt a run at a moment of an epoch."""

    def __init__(self, moment, interrupt, epoch=2):
        super().__init__()
        self.moment = moment
        self.chosen = epoch
        self.interrupt = interrupt
        self.epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self._interrupt_if("before the epoch")

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self._interrupt_if("in a batch")

    def on_test_batch_end(self, batch, logs=None):
        self._interrupt_if("in validation")

    def on_epoch_end(self, epoch, logs=None):
        self._interrupt_if("before the state is written")

    def get_state(self):
        return {}

    def set_state(self, state):
        pass

    def _interrupt_if(self, moment):
        if self.epoch == self.chosen and moment == self.moment:
            self.interrupt()


def run(images, folder, model, wrap=sv.Resumable, interruption=None, epochs=EPOCHS):
    """Train, and return the model and its history."""
    batches, validation_batches, validation = data(images)
    inner = callbacks(folder, validation, model)
    inner.append(interruption or Interruption("never", None))
    history = model.fit(
        batches,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        validation_data=validation_batches,
        callbacks=[wrap(folder, inner)] if wrap else inner,
    )
    return model, history


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_while_writing():
    """Kill the process when half of a state is in its file."""
    savez = np.savez

    def write_half(path, *arrays):
        savez(path, *arrays)
        os.truncate(path, os.path.getsize(path) // 2)
        kill()

    state_file.np.savez = write_half


def main():
    images, folder, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    warnings.simplefilter("ignore")
    keras.utils.set_random_seed(0)
    model = built(siamese_model(), data(images)[0])
    if moment == "while the state is written":
        moment, interrupt = MOMENTS[-1], kill_while_writing
    else:
        interrupt = kill
    run(images, folder, model, interruption=Interruption(moment, interrupt))


if __name__ == "__main__":
    main()
