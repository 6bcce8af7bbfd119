"""`ProcessGroup`: several processes, on one host or many, that train one model in step."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import keras
import numpy as np

from siamese_verify.checks import is_whole_number
from siamese_verify.messages import shown
from siamese_verify.training.shared_batches import SharedBatches

_HEARTBEAT_SECONDS = 30
"""Time without a sign of life after which JAX counts a process as lost."""
_START_SECONDS = 300
_END_SECONDS = 7 * 24 * 3600
"""Time for which a process that has ended waits for the others."""
# Words in JAX's messages that a process was lost while others computed with it.
_SIGNS_OF_LOSS = ("Gloo", "NCCL", "heartbeat", "coordination service", "Connection")


class ProcessGroupError(RuntimeError):
    """A group of processes that cannot start or go on. The message says what to do."""


class ProcessGroup:
    """Processes that train one model in step, each with its share of every batch.

    All processes run the same script, within a `with` block of this class. Build and compile the
    model within the block. `fit` then divides each batch among the processes. Loss, gradient, batch
    norm and metrics are of the whole batch, and the order is as in one process. This needs Keras's
    JAX backend, and a `tf.data.Dataset` such as `batches` makes.

    The main process has number 0, and writes all files. `Resumable` and `RunLock` know this. If a
    process is lost, the others end with an error within a minute. Start all of them again, and
    `Resumable` continues. All of them must see its folder.

    Within the block, all processes must compute the same in the same order, also `evaluate` and
    scores. A group of one process changes nothing, on any backend.

    Args:
        hosts: Address of each process. The first is `host:port`, with a free port on the host of
            the main process. A host with several processes is listed several times.
        process: Number of this process, its place in `hosts`.

    Attributes:
        is_main_process: Whether this process has number 0, and writes.

    Raises:
        ValueError: If an argument is wrong, or the backend is not JAX.
        ProcessGroupError: If JAX has computed before the block, if not all processes start within
            five minutes, or if a process is lost within the block.

    Examples:
        >>> with ProcessGroup(["localhost:9876"], process=0) as group:
        ...     group.is_main_process
        True
    """

    _entered: ProcessGroup | None = None

    def __init__(self, hosts: Sequence[str], process: int):
        self.hosts, self.process = _checked(hosts, process)
        self.is_main_process = process == 0
        self._has_failed = False

    @classmethod
    def current(cls) -> ProcessGroup:
        """Return the group of the surrounding block. Without one, it is a group of one process."""
        return cls._entered or cls(["localhost:0"], 0)

    def __enter__(self) -> Self:
        if ProcessGroup._entered is not None:
            raise ProcessGroupError("A process belongs to one group at a time. End the other one.")
        if len(self.hosts) > 1:
            self._start()
        ProcessGroup._entered = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ProcessGroup._entered = None
        if len(self.hosts) == 1:
            return
        keras.distribution.set_distribution(None)
        self._has_failed = error is not None
        if _tells_of_loss(error):
            raise _lost(self.process) from error

    def wait_for_everyone(self) -> None:
        """Wait until every process has come here."""
        self.agree("the place in the script", bytes)

    @contextlib.contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Make a block that the other processes run after the main process, such as to find files.

        Examples:
            >>> with ProcessGroup(["localhost:9876"], process=0) as group:
            ...     with group.main_process_first():
            ...         prepared = "once"
        """
        if not self.is_main_process:
            self.wait_for_everyone()
        yield
        if self.is_main_process:
            self.wait_for_everyone()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Make a block in which this process works without the others.

        A model can be saved, or loaded and used. A model of the group can only be saved.

        Examples:
            >>> with ProcessGroup(["localhost:9876"], process=0) as group:
            ...     model = SiameseModel(ConvTower([ConvBlock(4, 3)], (9, 9, 1), 8), CosineHead())
            ...     if group.is_main_process:
            ...         with group.alone():
            ...             model.save("model.keras")
        """
        distribution = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(distribution)

    def agree(self, what: str, content: Callable[[], bytes]) -> None:
        """Check that something is the same in every process.

        Args:
            what: Its name in the message.
            content: Function that computes it.

        Raises:
            ProcessGroupError: If it differs.
        """
        if len(self.hosts) == 1:
            return
        from jax.experimental import multihost_utils

        sent = np.frombuffer(hashlib.sha256(content()).digest(), np.uint8)
        received = np.asarray(multihost_utils.process_allgather(sent))
        differing = np.flatnonzero((received != received[0]).any(axis=1))
        if len(differing):
            raise ProcessGroupError(
                f"The processes differ in {what}, so they cannot train one model. Give all of them "
                "the same script, data, settings and folder. Received: a difference between "
                f"process 0 and process {differing[0]}"
            )

    def _start(self) -> None:
        import jax

        # JAX's service would keep a process alive that `kill`, Slurm or Kubernetes tells to end.
        jax.config.update("jax_enable_preemption_service", False)  # type: ignore[no-untyped-call]
        try:
            jax.distributed.initialize(
                self.hosts[0],
                len(self.hosts),
                self.process,
                cluster_detection_method="deactivate",
                initialization_timeout=_START_SECONDS,
                heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=_END_SECONDS,
            )
        except RuntimeError as error:
            raise ProcessGroupError(
                f"The processes could not form a group ({shown(error)}). Start each process once "
                "within five minutes, with the same `hosts`, a free port that the others can "
                "reach, and nothing computed before the block. "
                f"Received: hosts={shown(self.hosts)}"
            ) from error
        # JAX's own end would wait for a process that is lost, and then abort.
        atexit.register(self._end)
        shared = SharedBatches(self.process, len(self.hosts), self.agree)
        keras.distribution.set_distribution(shared)
        self._share_seed()

    def _share_seed(self) -> None:
        """Give all processes the same random numbers, unless the scripts have set a seed."""
        from jax.experimental import multihost_utils
        from keras.src.backend.common import global_state

        seed = global_state.get_global_attribute("global_random_seed")
        self.agree("their random seed", lambda: str(seed).encode())
        if seed is None:
            seed = multihost_utils.broadcast_one_to_all(np.uint32(random.getrandbits(31)))
            keras.utils.set_random_seed(int(seed))

    def _end(self) -> None:
        if self._has_failed:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)


def _checked(hosts: Sequence[str], process: int) -> tuple[list[str], int]:
    if isinstance(hosts, str) or not hosts or not all(isinstance(host, str) for host in hosts):
        raise ValueError(
            "`hosts` must be a list of addresses, one for each process. "
            f"Received: hosts={shown(repr(hosts))}"
        )
    host, _, port = hosts[0].rpartition(":")
    if not host or not port.isdecimal() or int(port) not in range(len(hosts) > 1, 65_536):
        raise ValueError(
            "The first of `hosts` must be the address of the main process with a free port, such "
            f"as '10.0.0.1:9876'. Received: hosts[0]={shown(repr(hosts[0]))}"
        )
    if not is_whole_number(process, 0) or process >= len(hosts):
        raise ValueError(
            "`process` must be the place of this process in `hosts`, from 0 to "
            f"{len(hosts) - 1}. Received: process={shown(repr(process))}"
        )
    if len(hosts) > 1 and keras.backend.backend() != "jax":
        raise ValueError(
            "Several processes need Keras's JAX backend. Set the environment variable "
            "KERAS_BACKEND=jax before Python starts. "
            f"Received: {len(hosts)} hosts with the backend {keras.backend.backend()}"
        )
    return list(hosts), int(process)


def _tells_of_loss(error: BaseException | None) -> bool:
    # An `OSError` tells of another connection, such as of a download.
    is_of_jax = isinstance(error, Exception) and not isinstance(error, OSError)
    return is_of_jax and any(sign in str(error) for sign in _SIGNS_OF_LOSS)


def _lost(process: int) -> ProcessGroupError:
    return ProcessGroupError(
        "Another process of the group has ended or cannot be reached, so this one ends too. Read "
        "the last lines of the others, then start all of them again with the same commands. With "
        f"Resumable, they continue from the last finished epoch. Received: the loss in process "
        f"{process}"
    )
