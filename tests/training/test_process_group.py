"""Tests of groups of processes: they train as one process does, and end together."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siamese_verify as sv
from siamese_verify.training.process_group import _tells_of_loss

SCRIPT = Path(__file__).parents[1] / "in_a_group.py"
ON_JAX = keras.backend.backend() == "jax"
in_processes = [
    pytest.mark.slow,
    pytest.mark.skipif(not ON_JAX, reason="Keras has groups of processes on JAX only"),
]


class Ended:
    """A group of processes that has ended: what each has told, its errors, code and seconds."""

    def __init__(self, n, folder, what):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        hosts = ",".join([f"localhost:{port}"] + ["localhost"] * (n - 1))
        environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
        started = time.monotonic()
        with contextlib.ExitStack() as stack:
            files = [
                [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)]
                for _ in range(n)
            ]
            processes = [
                stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, SCRIPT, str(number), hosts, folder, what],
                        env=environment,
                        stdout=out,
                        stderr=errors,
                    )
                )
                for number, (out, errors) in enumerate(files)
            ]
            try:
                # A frozen process ends only when it is killed.
                for process in processes[: n - (what == "frozen")]:
                    process.wait(timeout=280)
                self.seconds = time.monotonic() - started
            finally:
                for process in processes:
                    process.kill()
            for file in itertools.chain(*files):
                file.seek(0)
            self.told = [lines_of(out) for out, _ in files]
            self.errors = [errors.read() for _, errors in files]
        self.codes = [process.returncode for process in processes]


def lines_of(file):
    lines = [json.loads(line) for line in file if line.startswith("{")]
    return {line["case"]: line["told"] for line in lines}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return Ended(1, tmp_path_factory.mktemp("alone"), "all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("group")


@pytest.fixture(scope="module")
def group(folder):
    ended = Ended(2, folder, "all")
    assert ended.codes == [0, 0], ended.errors
    return ended


CASES = ["pairs", "own data set", "identities", "images of pairs", "resumable"]


class TestTwoProcesses:
    pytestmark = in_processes

    @pytest.mark.parametrize("case", CASES)
    def test_train_as_one_process_does(self, alone, group, case):
        one = keras.tree.flatten(alone.told[0][case])
        for told in group.told:
            np.testing.assert_allclose(keras.tree.flatten(told[case]), one, atol=2e-6, rtol=2e-6)

    def test_write_each_file_once(self, group, folder):
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["log.csv", *(f"model-{n}.keras" for n in (1, 2, 3, 4)), "run"]
        assert len((folder / "log.csv").read_text().splitlines()) == 5
        model = keras.models.load_model(folder / "model-4.keras")
        weights = [keras.ops.convert_to_numpy(weight).tolist() for weight in model.weights]
        np.testing.assert_allclose(
            np.concatenate([np.ravel(weight) for weight in weights]),
            keras.tree.flatten(group.told[0]["resumable"][1]),
            rtol=1e-6,
        )

    def test_refuse_batches_that_they_cannot_share(self, group):
        for told in group.told:
            assert "batch_size=9 for 2 devices" in told["errors"]["indivisible"]
            assert "differ in the data of `fit`" in told["errors"]["differing data"]
            assert "differ in their data" in told["errors"]["differing"]

    def test_know_which_of_them_writes(self, group):
        assert [told["main"] for told in group.told] == [True, False]

    def test_end_when_one_is_killed_and_go_on_when_they_start_again(self, group, tmp_path):
        killed = Ended(2, tmp_path, "killed")
        # `kill`, Slurm and Kubernetes send it, and JAX would ignore it.
        assert killed.codes == [1, -signal.SIGTERM]
        assert killed.errors[0].rstrip().endswith("Received: the loss in process 0")
        assert killed.seconds < 120  # Most of it is their start.
        again = Ended(2, tmp_path, "resumed")
        assert again.codes == [0, 0], again.errors
        assert again.told[0]["resumable"] == group.told[0]["resumable"]

    def test_end_when_one_fails(self, tmp_path):
        failed = Ended(2, tmp_path, "failing")
        assert failed.codes == [1, 1]
        assert "ValueError: a defect of one process" in failed.errors[1]
        assert "ProcessGroupError: Another process" in failed.errors[0]


def test_a_group_of_one_process_changes_nothing():
    before = keras.distribution.distribution()
    with sv.ProcessGroup(["localhost:9876"], 0) as group:
        assert sv.ProcessGroup.current() is group
        assert group.is_main_process
        assert keras.distribution.distribution() is before
        group.wait_for_everyone()
        group.agree("anything", bytes)
        with group.main_process_first(), group.alone():
            pass
    assert sv.ProcessGroup.current() is not group


def test_a_callback_that_was_made_before_a_group_belongs_to_it(tmp_path):
    callback = sv.Resumable(tmp_path)
    with sv.ProcessGroup(["localhost:9876"], 0) as group:
        assert callback.group is group


def test_an_error_in_a_group_of_one_process_stays_as_it_is():
    with pytest.raises(KeyError), sv.ProcessGroup(["localhost:9876"], 0):
        raise KeyError("mine")
    assert sv.ProcessGroup.current().is_main_process


@pytest.mark.skipif(not ON_JAX, reason="Keras has groups of processes on JAX only")
def test_a_group_of_several_processes_needs_a_port():
    with pytest.raises(ValueError, match=r"`hosts`.*Received: hosts"):
        sv.ProcessGroup(["localhost:0", "localhost"], 0)


@pytest.mark.parametrize(
    ("error", "is_loss"),
    [
        (RuntimeError("Gloo all-reduce failed: Connection closed by peer"), True),
        (ConnectionResetError("Connection reset by peer"), False),
        (ValueError("another"), False),
    ],
)
def test_an_error_of_another_connection_does_not_tell_of_a_loss(error, is_loss):
    assert _tells_of_loss(error) == is_loss


def test_a_process_belongs_to_one_group():
    one = sv.ProcessGroup(["localhost:9876"], 0)
    with one, pytest.raises(sv.ProcessGroupError, match="one group"), one:
        pass


@pytest.mark.parametrize(
    ("hosts", "process", "named"),
    [
        ("localhost:9876", 0, "hosts"),
        ([], 0, "hosts"),
        ([1], 0, "hosts"),
        (["localhost"], 0, "hosts"),
        ([":9876"], 0, "hosts"),
        (["localhost:port"], 0, "hosts"),
        (["localhost:70000"], 0, "hosts"),
        (["localhost:9876"], 1, "process"),
        (["localhost:9876"], -1, "process"),
        (["localhost:9876"], 0.0, "process"),
        (["localhost:9876"], True, "process"),
    ],
)
def test_a_wrong_argument_is_named(hosts, process, named):
    with pytest.raises(ValueError, match=rf"`{named}`.*Received: {named}"):
        sv.ProcessGroup(hosts, process)


@given(st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_the_main_process_is_the_first(place):
    n, process = place
    if n > 1 and not ON_JAX:
        with pytest.raises(ValueError, match="KERAS_BACKEND=jax"):
            sv.ProcessGroup(["a:1"] * n, process)
    else:
        assert sv.ProcessGroup(["a:1"] * n, process).is_main_process == (process == 0)
