import io

import keras
import numpy as np

import siamese_verify as sv
from siamese_verify.training.callbacks.time_left import duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fit(file: io.StringIO) -> str:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.zeros((8, 1), np.float32)
    model.fit(data, data, batch_size=2, epochs=3, verbose=0, callbacks=[sv.TimeLeft(file)])
    return file.getvalue()


def test_a_log_has_a_line_for_each_epoch_with_the_time_left() -> None:
    lines = fit(io.StringIO()).splitlines()
    assert [line.split(",")[0] for line in lines] == [f"epoch {i} of 3" for i in (1, 2, 3)]
    assert all(line.endswith(" s left") for line in lines)
    assert lines[-1].endswith(", 0 s left")


def test_a_terminal_has_one_line() -> None:
    said = fit(Terminal())
    assert said.count("\n") == 1
    assert said.count("\r") >= 3


def test_durations_are_in_words() -> None:
    assert duration(59.6) == "1 min 0 s"
    assert duration(7_260) == "2 h 1 min"
