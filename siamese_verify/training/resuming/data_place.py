"""Epochs that the data sets of a run have reached."""

from __future__ import annotations

from typing import Any

from siamese_verify.data.batching import Stream, live_streams
from siamese_verify.training.resuming.run_folder import RunFolderError
from siamese_verify.user_warnings import warn_user


class DataPlace:
    """Place in the data sets of the batches that a run of `fit` draws.

    A callback does not see the data that `fit` uses. So this class watches all datasets that
    `batches` or `image_batches` has made. Their counters tell which datasets are in use.
    """

    def __init__(self) -> None:
        self._streams = live_streams()
        self._starts = [stream.next_epoch for stream in self._streams]
        self._restored: list[list[Any]] = []
        self._epochs: list[int] | None = None
        # Fingerprints of the data sets that the latest epoch was trained with.
        self._trained: list[str] | None = None

    def state(self) -> dict[str, Any]:
        """Return the place of the data sets in use, or of all before the first epoch."""
        places = [
            [stream.fingerprint, stream.next_epoch]
            for stream, start in zip(self._streams, self._starts, strict=True)
            if self._trained is None or stream.next_epoch != start
        ]
        # Validation may be in use, yet not in each epoch.
        drawn = {fingerprint for fingerprint, _ in places}
        places += [place for place in self._restored if place[0] not in drawn]
        return {"places": places, "trained": self._trained}

    def restore(self, state: dict[str, Any]) -> None:
        """Bring the data sets to a former place.

        Raises:
            RunFolderError: If a data set of that run is missing.
        """
        self._trained = state["trained"]
        for fingerprint in sorted({fingerprint for fingerprint, _ in state["places"]}):
            epochs = [epoch for name, epoch in state["places"] if name == fingerprint]
            indices = [i for i, s in enumerate(self._streams) if s.fingerprint == fingerprint]
            if len(set(epochs)) == 1:
                epochs = epochs[:1] * len(indices)
            if not indices or len(indices) != len(epochs):
                if self._trained is None:  # Before the first epoch, it is not known what is in use.
                    continue
                raise _other_data(f"{len(indices)} data sets with fingerprint {fingerprint}")
            for i, epoch in zip(indices, epochs, strict=True):
                self._streams[i].next_epoch = epoch
                self._starts[i] = epoch
        self._restored = state["places"] if self._trained is not None else []

    def epoch_begins(self) -> None:
        """Remember where an epoch starts."""
        self._epochs = [stream.next_epoch for stream in self._streams]

    def epoch_is_trained(self, stopped: bool) -> None:
        """Check that the steps of an epoch have drawn a data set once and whole.

        Args:
            stopped: Whether a callback has stopped training, maybe within the epoch.

        Raises:
            ValueError: If they have not.
            RunFolderError: If former epochs used another data set.
        """
        if self._epochs is None:  # A second evaluation in the same epoch.
            return
        drawn = [
            (stream, stream.next_epoch - epoch)
            for stream, epoch in zip(self._streams, self._epochs, strict=True)
            if stream.next_epoch != epoch
        ]
        self._epochs = None
        trained = sorted(stream.fingerprint for stream, _ in drawn)
        if self._trained is None:
            self._trained = trained
            _warn_of_unknown_data(trained)
        elif trained and trained != self._trained:
            raise _other_data(f"fingerprints {trained} after {self._trained}")
        if not stopped:
            self._check_is_whole(drawn)

    def _check_is_whole(self, drawn: list[tuple[Stream, int]]) -> None:
        times = [count for _, count in drawn]
        if (self._trained and not drawn) or not all(
            count == 1 and stream.is_complete for stream, count in drawn
        ):
            raise ValueError(
                "Each epoch of `fit` must draw its data set once and whole, or Resumable cannot "
                "tell where to continue. Use `fit` without `steps_per_epoch`, and the data set "
                "without `.cache()`, `.repeat()` or `.take()`. "
                f"Received: data sets drawn {times} times in an epoch"
            )


def _other_data(received: str) -> RunFolderError:
    return RunFolderError(
        "The data set differs from the data set of the run in this folder, so the run cannot go "
        "on. Use the same images, pairs and arguments of `batches`, or another folder. "
        f"Received: {received}"
    )


def _warn_of_unknown_data(trained: list[str]) -> None:
    if not trained:
        warn_user(
            "`fit` draws no data set made by `batches` or `image_batches`, so Resumable cannot "
            "keep its place. The resumed run is exact only if each epoch has the same batches: "
            "use `fit` with `shuffle=False`.",
        )
