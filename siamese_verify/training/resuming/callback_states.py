"""States of callbacks, which they keep from epoch to epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from siamese_verify.files import replacing
from siamese_verify.messages import shown
from siamese_verify.training.callbacks.averaged_weights import AveragedWeights
from siamese_verify.training.callbacks.epoch_seconds import EpochSeconds
from siamese_verify.training.callbacks.koch2015_schedule import Koch2015Schedule
from siamese_verify.training.callbacks.one_shot_accuracy import OneShotAccuracy
from siamese_verify.training.callbacks.pair_evaluation import PairEvaluation

# Attributes that change during `fit`.
_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    keras.callbacks.CSVLogger: ("keys",),
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "best_weights", "stopped_epoch", "wait"),
    keras.callbacks.LearningRateScheduler: (),
    keras.callbacks.ModelCheckpoint: (
        "best",
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
    ),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.TensorBoard: (
        "_global_train_batch",
        "_global_test_batch",
        "_previous_epoch_iterations",
    ),
    keras.callbacks.TerminateOnNaN: (),
    AveragedWeights: ("last_weights",),
    EpochSeconds: (),
    Koch2015Schedule: (),
    OneShotAccuracy: (),
    PairEvaluation: (),
}
# Callbacks that write files and change nothing else.
_WRITERS = (keras.callbacks.CSVLogger, keras.callbacks.ModelCheckpoint, keras.callbacks.TensorBoard)


def only_writes(callback: keras.callbacks.Callback) -> bool:
    """Tell whether one process of a group suffices to call a callback."""
    return isinstance(callback, _WRITERS)


def check_can_be_kept(callback: Any) -> None:
    """Raise a `TypeError` if the state of a callback is not known."""
    if type(callback) in _ATTRIBUTES or _has_methods(callback):
        return
    names = ", ".join(sorted(kind.__name__ for kind in _ATTRIBUTES))
    raise TypeError(
        f"Resumable does not know what a {type(callback).__name__} remembers from epoch to epoch, "
        "so a resumed run could differ. Give its class the methods `get_state()` and "
        "`set_state(state)`, or put it outside of Resumable if it remembers nothing. Known are: "
        f"{names}. Received: callbacks with {shown(repr(callback))}"
    )


def get_callback_state(callback: Any) -> dict[str, Any]:
    """Return what a callback remembers, after the end of an epoch."""
    if _has_methods(callback):
        state: dict[str, Any] = callback.get_state()
        return state
    state = {name: getattr(callback, name) for name in _ATTRIBUTES[type(callback)]}
    if isinstance(callback, keras.callbacks.CSVLogger):
        state["rows"] = Path(callback.filename).read_bytes().decode()
    return state


def set_callback_state(callback: Any, state: dict[str, Any]) -> None:
    """Make a callback remember a former state, after its `on_train_begin`."""
    if _has_methods(callback):
        callback.set_state(state)
        return
    for name in _ATTRIBUTES[type(callback)]:
        setattr(callback, name, state[name])
    if isinstance(callback, keras.callbacks.CSVLogger):
        _rewrite(callback, state["rows"])


def _has_methods(callback: Any) -> bool:
    return hasattr(callback, "get_state") and hasattr(callback, "set_state")


def _rewrite(logger: keras.callbacks.CSVLogger, rows: str) -> None:
    """Bring the file back to former rows, since it may be empty or have a row too many."""
    logger.csv_file.close()
    with replacing(logger.filename) as unfinished:
        unfinished.write_bytes(rows.encode())
    # The logger closes it at the end of training.
    logger.csv_file = Path(logger.filename).open("a", newline="")  # noqa: SIM115
    logger.append_header = not rows
