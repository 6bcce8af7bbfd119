"""`Resumable`: a run of `fit` that may be interrupted at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from typing_extensions import override

from siamese_verify.files import PathLike
from siamese_verify.messages import shown
from siamese_verify.training.logs import Logs
from siamese_verify.training.resuming.callback_states import (
    check_can_be_kept,
    get_callback_state,
    only_writes,
    set_callback_state,
)
from siamese_verify.training.resuming.checkpoint_files import CheckpointFiles
from siamese_verify.training.resuming.composite import Composite
from siamese_verify.training.resuming.data_place import DataPlace
from siamese_verify.training.resuming.model_state import (
    check_is_built,
    get_model_state,
    set_model_state,
    signature,
    weights_digest,
)
from siamese_verify.training.resuming.run_folder import RunFolderError, lock_for_fit
from siamese_verify.training.resuming.state_file import damaged, read_state, write_state


class Resumable(Composite):
    """Callback through which an interrupted `fit` continues from its last finished epoch.

    Run the same script again: the run ends bit for bit as an undisturbed run would, with the same
    weights, history and checkpoints. It may be killed at any moment. Put all other callbacks into
    this one, which calls them in their order and keeps what they remember.

    After each epoch, it writes `state.npz` in the folder. The file holds the weights, the optimizer
    with its moving averages, the random generators, the history, the callbacks, and the place in
    the data set. A finished run does nothing more when it runs again, and leaves the model with its
    final weights. With more `epochs`, it continues. A run that a callback has stopped stays
    stopped.

    One `fit` uses the folder at a time, or a block of `RunLock` that holds it. A log of `CSVLogger`
    is restored from the state. The state also has the SHA-256 of each file of a `ModelCheckpoint`.
    The folder may be moved or copied while no `fit` uses it.

    The data set comes from `PairDataset.batches`, `PairDataset.image_batches` or
    `IdentityDataset.batches`, also after a `.map` or `.prefetch` of your own. Each epoch must draw
    it once and whole: without `.cache()`, `.repeat()`, `.take()` and `steps_per_epoch`. A `.map`
    or `.shuffle` with random numbers of its own is not restored. Any other data must have the same
    batches in each epoch.

    Known callbacks are Keras's `CSVLogger`, `EarlyStopping`, `LearningRateScheduler`,
    `ModelCheckpoint`, `ReduceLROnPlateau`, `SwapEMAWeights`, `TensorBoard` and `TerminateOnNaN`,
    and this library's `AveragedWeights`, `EpochSeconds`, `Koch2015Schedule`, `OneShotAccuracy` and
    `PairEvaluation`. A callback of your own needs two methods. `get_state()` returns what it
    remembers after an epoch, as a dict of numbers, texts, arrays, lists and dicts.
    `set_state(state)` makes it remember that, after its `on_train_begin`. In the event files of
    `TensorBoard`, an epoch can stand twice if it was interrupted.

    The arguments of `fit`, `compile` and the callbacks may change between the runs. Yet the
    learning rate is part of the state.

    In a `ProcessGroup`, all processes read the state, and the main process writes it. There alone,
    Keras's `CSVLogger`, `ModelCheckpoint` and `TensorBoard` are called. A run may go on with
    another number of processes.

    Args:
        folder: Folder of the run, created if it does not exist. Use one folder for each run.
        callbacks: All other callbacks of the run, in their order.

    Raises:
        TypeError: If the state of a callback is not known.
        ValueError: If `fit` is called with a model that is not built.
        RunFolderError: If another `fit` uses the folder, or if it cannot be written. If `state.npz`
            or a file of a `ModelCheckpoint` is damaged, changed or lost. If model, optimizer, data
            set or callbacks differ from the run in the folder. It is a `ValueError`.
        ProcessGroupError: If the processes of a group find different runs in their folders, or if
            their weights differ after an epoch.

    Examples:
        >>> train = PairDataset.from_lfw(
        ...     "lfw/pairsDevTrain.txt", "lfw/lfw2", (16, 16), verbose=False
        ... )
        >>> model = SiameseModel(ConvTower([ConvBlock(8, 3)], (16, 16, 1), 32), WeightedL1Head())
        >>> model.compile("adam", "binary_crossentropy")
        >>> stop = keras.callbacks.EarlyStopping("loss", patience=3)
        >>> history = model.fit(
        ...     train.batches(8, shuffle=True, augment=True),
        ...     epochs=20,
        ...     shuffle=False,
        ...     verbose=0,
        ...     callbacks=[Resumable("runs/first", [stop])],
        ... )
    """

    def __init__(self, folder: PathLike, callbacks: Sequence[keras.callbacks.Callback] = ()):
        super().__init__(callbacks)
        for callback in self.callbacks:
            check_can_be_kept(callback)
        self.path = Path(folder) / "state.npz"

    @override
    def on_train_begin(self, logs: Logs = None) -> None:
        check_is_built(self.model)
        self._lock = lock_for_fit(self.path.parent)
        try:
            self._begin(logs)
        except BaseException:
            self._lock.end_fit()
            raise

    def _begin(self, logs: Logs) -> None:
        self._epochs: list[int] = []
        self._logs: list[dict[str, Any]] = []
        self._files = CheckpointFiles(self.callbacks)
        self._data = DataPlace()
        state = read_state(self.path) if self.path.exists() else None
        self.group.agree(
            "the run in their folder",
            lambda: self.path.read_bytes() if self.path.exists() else b"",
        )
        if state is None:
            super().on_train_begin(logs)
            self._files.begin(None, has_epochs_left=True)
            # With the weights before the first step, a run without a seed can be repeated too.
            self._save()
            return
        try:
            self._check_fits(state)
            if self.group.is_main_process:
                self._files.begin(state["files"], self._first_epoch(state) < self.params["epochs"])
            # Callbacks empty their files here.
            super().on_train_begin(logs)
            self._restore(state)
        except RunFolderError:
            raise
        except OSError as error:
            raise RunFolderError(
                f"A file of the run cannot be used ({shown(error)}), so the run cannot go on. Give "
                f"access to it or use another folder. Received: folder={shown(self.path.parent)}"
            ) from error
        except Exception as error:
            raise damaged(self.path, error) from error

    @override
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.model._initial_epoch = None  # or a later `fit` would start there too
        self._data.epoch_begins()
        super().on_epoch_begin(epoch, logs)

    @override
    def on_test_begin(self, logs: Logs = None) -> None:
        self._data.epoch_is_trained(self.model.stop_training)
        super().on_test_begin(logs)

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._data.epoch_is_trained(self.model.stop_training)
        logs = {} if logs is None else logs
        super().on_epoch_end(epoch, logs)
        self._epochs.append(epoch)
        self._logs.append(dict(logs))
        self._save()

    @override
    def on_train_end(self, logs: Logs = None) -> None:
        self.model._initial_epoch = None
        self.model.history.epoch = list(self._epochs)
        super().on_train_end(logs)
        self._lock.end_fit()

    def _save(self) -> None:
        self.group.agree("their weights", lambda: weights_digest(self.model))
        if not self.group.is_main_process:
            return
        state = {
            "signature": signature(self.model),
            "classes": self._classes(),
            "epochs": self._epochs,
            "logs": self._logs,
            "planned": self.params["epochs"],
            "stopped": self.model.stop_training,
            "data": self._data.state(),
            "files": self._files.state(),
            "callbacks": [get_callback_state(callback) for callback in self.callbacks],
            "model": get_model_state(self.model),
        }
        write_state(self.path, state)

    def _restore(self, state: dict[str, Any]) -> None:
        self._data.restore(state["data"])
        set_model_state(self.model, state["model"])
        for callback, callback_state in zip(self.callbacks, state["callbacks"], strict=True):
            if self.group.is_main_process or not only_writes(callback):
                set_callback_state(callback, callback_state)
        self._epochs, self._logs = state["epochs"], state["logs"]
        for _, row in zip(self._epochs, self._logs, strict=True):
            for name, value in row.items():
                self.model.history.history.setdefault(name, []).append(value)
        if self._epochs:
            # Keras's BackupAndRestore starts `fit` later in the same way.
            self.model._initial_epoch = self._first_epoch(state)

    def _first_epoch(self, state: dict[str, Any]) -> int:
        """Return the number of the next epoch, or of all epochs if a callback has stopped them."""
        if state["stopped"]:
            return int(self.params["epochs"])
        return int(state["epochs"][-1]) + 1 if state["epochs"] else 0

    def _check_fits(self, state: dict[str, Any]) -> None:
        """Raise a `RunFolderError` if the state is of another run."""
        saved, own = state["signature"], signature(self.model)
        differing = [pair for pair in zip(saved, own, strict=False) if pair[0] != pair[1]]
        if differing or len(saved) != len(own):
            was, now = differing[0] if differing else (len(saved), len(own))
            raise RunFolderError(
                "The folder holds a run of another model or optimizer, so the run cannot continue. "
                f"Use another folder. Received: {shown(now)} in place of {shown(was)}, "
                f"folder={shown(self.path.parent)}"
            )
        if state["classes"] != self._classes():
            raise RunFolderError(
                "The folder holds a run with other callbacks, so the run cannot continue. Use the "
                f"same callbacks or another folder. Received: callbacks={shown(self._classes())} "
                f"in place of {shown(state['classes'])}, folder={shown(self.path.parent)}"
            )
        if self.params["epochs"] > state["planned"] and self._lost_weights(state):
            raise RunFolderError(
                "SwapEMAWeights has replaced the weights of the last step by averages, so the run "
                "cannot be prolonged. Use AveragedWeights in its place for a run that can. "
                f"Received: epochs={self.params['epochs']} after epochs={state['planned']}"
            )

    def _lost_weights(self, state: dict[str, Any]) -> bool:
        is_last = bool(state["epochs"]) and state["epochs"][-1] == state["planned"] - 1
        return is_last and any(
            isinstance(callback, keras.callbacks.SwapEMAWeights) and callback.swap_on_epoch
            for callback in self.callbacks
        )

    def _classes(self) -> list[str]:
        return [type(callback).__name__ for callback in self.callbacks]
