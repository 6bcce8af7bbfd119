"""Trains as one process of a group, for `test_process_group.py`, and prints lines of JSON.

python in_a_group.py PROCESS HOSTS FOLDER [all | resumed | killed | frozen | failing]
"""

import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import siamese_verify as sv

PROCESS, HOSTS, FOLDER, WHAT = (
    int(sys.argv[1]),
    sys.argv[2].split(","),
    Path(sys.argv[3]),
    sys.argv[4],
)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (42, 12, 12, 1), np.uint8)
DATA = sv.IdentityDataset.from_arrays(IMAGES, [str(number // 3) for number in range(42)])
# Batches of 16 end with one of 10. Batches of 8 end with one of 5 of the first 37 pairs.
PAIRS = DATA.pairs(42)
UNEVEN = sv.PairDataset.from_arrays(
    (IMAGES[PAIRS.indices[:37, 0]], IMAGES[PAIRS.indices[:37, 1]]), PAIRS.labels[:37]
)
SIGNALS = {"killed": signal.SIGTERM, "frozen": signal.SIGSTOP}
STRONG = sv.Augmentation(probability=0.8, brightness=0.3, erasing=0.5)


def tower(**options):
    keras.utils.set_random_seed(1)
    return sv.ConvTower([sv.ConvBlock(4, 3, **options)], (12, 12, 1), embedding_size=8)


def on_pairs(batches, metrics=(), **options):
    """Train a model on pairs. Return it and its history."""
    model = sv.SiameseModel(tower(dropout=0.2), sv.SigmoidCosineHead())
    model.compile(keras.optimizers.SGD(0.05), "binary_crossentropy", metrics=list(metrics))
    history = model.fit(batches, shuffle=False, verbose=0, **options).history
    return model, history


def on_images(batches, **options):
    """Train a tower on identities. Return its history and its weights."""
    model = keras.Sequential([tower(**options)])
    model.compile(keras.optimizers.SGD(0.05), sv.SupervisedContrastiveLoss(0.2))
    history = model.fit(batches, epochs=2, shuffle=False, verbose=0).history
    return [history, weights(model)]


def weights(model):
    return [keras.ops.convert_to_numpy(weight).tolist() for weight in model.weights]


def pairs():
    batches = PAIRS.batches(16, shuffle=True, augment=STRONG)
    metrics = ["accuracy", sv.EqualErrorRate(), sv.TrueAcceptRate(far=0.2)]
    model, history = on_pairs(batches, metrics, validation_data=UNEVEN.batches(8), epochs=2)
    scores = model.score(IMAGES, PAIRS.indices[:9])
    return [history, weights(model), scores.tolist()]


def own_dataset():
    """Train on a `tf.data.Dataset` of a user's own."""
    left, right = (np.float32(IMAGES[PAIRS.indices[:37, side]]) / 255 for side in (0, 1))
    batches = tf.data.Dataset.from_tensor_slices(((left, right), PAIRS.labels[:37])).batch(8)
    model, history = on_pairs(batches)
    return [history, weights(model)]


def resumable():
    """Train with callbacks that write. Its last batch has no equal parts."""
    checkpoint = keras.callbacks.ModelCheckpoint(FOLDER / "model-{epoch}.keras")
    log = keras.callbacks.CSVLogger(FOLDER / "log.csv")
    stop = keras.callbacks.EarlyStopping("loss", patience=3)
    run = sv.Resumable(FOLDER / "run", [checkpoint, log, stop, Signalled()])
    batches = UNEVEN.batches(8, shuffle=True)
    model, history = on_pairs(batches, callbacks=[run], epochs=4)
    return [history, weights(model)]


class Signalled(keras.callbacks.Callback):
    """Callback by which a process ends itself in its third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2 and len(HOSTS) - 1 == PROCESS and WHAT in SIGNALS:
            os.kill(os.getpid(), SIGNALS[WHAT])

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


CASES = {
    "pairs": pairs,
    "own data set": own_dataset,
    "identities": lambda: on_images(DATA.batches(8, True, per_identity=2), batch_norm=True),
    "images of pairs": lambda: on_images(UNEVEN.image_batches(8)),
    "resumable": resumable,
}


def told_errors():
    """Tell the errors of data that processes cannot share."""
    errors = {}
    for case, batches in {
        "indivisible": lambda: PAIRS.batches(9),
        "differing data": lambda: PAIRS.batches(8, seed=PROCESS),
    }.items():
        try:
            on_pairs(batches())
        except (ValueError, sv.ProcessGroupError) as error:
            errors[case] = str(error)
    try:
        sv.ProcessGroup.current().agree("their data", lambda: bytes([PROCESS]))
    except sv.ProcessGroupError as error:
        errors["differing"] = str(error)
    return errors


def main():
    keras.utils.set_random_seed(1)
    with sv.ProcessGroup(HOSTS, PROCESS) as group:
        group.wait_for_everyone()
        if WHAT == "failing" and PROCESS == 1:
            raise ValueError("a defect of one process")
        group.wait_for_everyone()
        for case, train in CASES.items() if WHAT == "all" else [("resumable", resumable)]:
            print(json.dumps({"case": case, "told": train()}), flush=True)
        if WHAT == "all" and len(HOSTS) > 1:
            print(json.dumps({"case": "errors", "told": told_errors()}), flush=True)
        with group.main_process_first():
            print(json.dumps({"case": "main", "told": group.is_main_process}), flush=True)


if __name__ == "__main__":
    main()
