"""Tests of `EpochSeconds`."""

import time

import keras
from linear_model import X, Y, fit, linear_model

from siamese_verify import EpochSeconds


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
