"""Tests of the folder of a run: one user at a time, and errors that name the file."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

import siamese_verify as sv
from siamese_verify.training.resuming.state_file import read_state, write_state

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*draws no data set made by:UserWarning"),
]


class Calling(keras.callbacks.Callback):
    """Callback that calls a function before epoch 1."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.function()


def fit(folder, callbacks=(), *others, epochs=2):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    callbacks = [sv.Resumable(folder, callbacks), *others]
    model.fit(X, X[:, :1], epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)
    return model.get_weights()


def checkpoints(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return [
        keras.callbacks.CSVLogger(folder / "log.csv"),
        keras.callbacks.ModelCheckpoint(folder / "{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.ModelCheckpoint(folder / "last.keras"),
    ]


def interrupt():
    raise KeyboardInterrupt


def interrupted(folder, epochs=3):
    callbacks = checkpoints(folder)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, callbacks, Calling(interrupt), epochs=epochs)
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.CSVLogger):
            callback.csv_file.close()  # Keras leaves it open.


def assert_same(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# --- One user at a time

HOLD = """
import sys, time
import siamese_verify as sv
with sv.RunLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_raises_until_the_first_one_is_killed(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        held = rf"in use by process {process.pid} on .*Received: folder={tmp_path}"
        with pytest.raises(sv.RunFolderError, match=held), sv.RunLock(tmp_path):
            pass
        with pytest.raises(sv.RunFolderError, match=held):
            fit(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
    fit(tmp_path)


def test_a_second_fit_of_this_process_raises_and_the_first_is_undisturbed(tmp_path: Path):
    raised = []

    def second():
        with pytest.raises(sv.RunFolderError, match=f"another `fit` of process {os.getpid()}"):
            fit(tmp_path / "run")
        raised.append(True)

    def in_a_thread():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

    weights = fit(tmp_path / "run", (), Calling(in_a_thread), Calling(second))
    assert raised == [True, True]
    assert_same(weights, fit(tmp_path / "other"))


def test_a_fit_that_raised_an_error_blocks_no_folder(tmp_path: Path):
    resumable = sv.Resumable(tmp_path)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(KeyboardInterrupt):  # which refers to the call of `fit`
        model.fit(X, X[:, :1], epochs=2, verbose=0, callbacks=[resumable, Calling(interrupt)])
    with sv.RunLock(tmp_path):
        fit(tmp_path)
    thread = threading.Thread(target=fit, args=(tmp_path,))
    thread.start()
    thread.join()


def test_a_block_shares_its_lock_with_each_fit_in_it(tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "run", target_is_directory=True)
    with sv.RunLock(tmp_path / "run"):
        fit(link, epochs=1)
        fit(tmp_path / "run")
        with pytest.raises(sv.RunFolderError, match="in use"), sv.RunLock(link):
            pass
    with sv.RunLock(link):
        pass


# --- Files that are lost or damaged


def test_a_lost_shortened_or_changed_log_comes_back_as_in_an_undisturbed_run(tmp_path: Path):
    expected = fit(tmp_path / "whole", checkpoints(tmp_path / "whole"), epochs=3)
    log = (tmp_path / "whole" / "log.csv").read_bytes()
    interrupted(tmp_path / "run")
    for spoil in (Path.unlink, lambda p: p.write_bytes(log[:20]), lambda p: p.write_bytes(b"x,")):
        folder = tmp_path / "copy"  # A run may be copied and go on elsewhere.
        shutil.copytree(tmp_path / "run", folder)
        spoil(folder / "log.csv")
        assert_same(fit(folder, checkpoints(folder), epochs=3), expected)
        assert (folder / "log.csv").read_bytes() == log
        shutil.rmtree(folder)


def change(path):
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def test_a_checkpoint_that_is_lost_or_changed_and_not_written_again_raises(tmp_path: Path):
    interrupted(tmp_path)
    folder = tmp_path
    before = (folder / "1.weights.h5").read_bytes()
    (folder / "1.weights.h5").unlink()
    with pytest.raises(sv.RunFolderError, match=r"1\.weights\.h5 is lost"):
        fit(folder, checkpoints(folder), epochs=3)
    (folder / "1.weights.h5").write_bytes(before[:-1] + b"?")
    with pytest.raises(sv.RunFolderError, match=r"1\.weights\.h5 differs"):
        fit(folder, checkpoints(folder), epochs=3)
    (folder / "1.weights.h5").write_bytes(before)
    change(folder / "last.keras")  # as where a kill interrupts its write: the next epoch repeats it
    fit(folder, checkpoints(folder), epochs=3)
    keras.models.load_model(folder / "last.keras")
    change(folder / "last.keras")
    with pytest.raises(sv.RunFolderError, match=r"last\.keras differs"):
        fit(folder, checkpoints(folder), epochs=3)


def test_files_of_another_run_are_none_of_this_run(tmp_path: Path):
    (tmp_path / "9.weights.h5").write_bytes(b"another")
    interrupted(tmp_path)
    (tmp_path / "9.weights.h5").unlink()
    fit(tmp_path, checkpoints(tmp_path), epochs=3)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def one_array(path):
    with path.open("wb") as file:
        np.save(file, X)


def arrays_of(path):
    with np.load(path) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]


def edit(path):
    arrays = arrays_of(path)
    arrays[2] = arrays[2] * 0
    np.savez(path, *arrays)


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def rewritten(change):
    def rewrite(path):
        state = read_state(path)
        change(state)
        write_state(path, state)

    return rewrite


SPOILED = {
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a bit": flip,
    "text": lambda path: path.write_text("{}"),
    "one array": one_array,
    "other arrays": lambda path: np.savez(path, X, X),
    "compressed": lambda path: np.savez_compressed(path, *arrays_of(path)),
    "edited": edit,
    "pipe": make_pipe,
    "lost key": rewritten(lambda state: state.pop("model")),
    "lost variable": rewritten(lambda state: state["model"]["variables"].pop()),
    "other shape": rewritten(lambda state: state["model"]["variables"].__setitem__(0, X)),
    "other type": rewritten(lambda state: state["model"]["variables"].__setitem__(0, "x")),
    "text for epochs": rewritten(lambda state: state.update(epochs="ab")),
    "lost logs": rewritten(lambda state: state["logs"].pop()),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    fit(folder)
    return folder


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_a_damaged_state_raises_one_error_that_names_it(spoil, finished, tmp_path: Path):
    folder = shutil.copytree(finished, tmp_path / "run")
    spoil(folder / "state.npz")
    with pytest.raises(sv.RunFolderError, match=r"state\.npz is damaged.*another folder") as raised:
        fit(folder, epochs=3)
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_used_raises(tmp_path: Path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(sv.RunFolderError, match=rf"Received: folder={tmp_path}/file"):
        fit(tmp_path / "file")


def test_a_log_that_is_a_folder_raises_an_error_that_names_it(tmp_path: Path):
    interrupted(tmp_path)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(sv.RunFolderError, match=r"A file of the run .*log\.csv"):
        fit(tmp_path, checkpoints(tmp_path), epochs=3)


def test_a_full_disk_raises_and_leaves_the_former_state(tmp_path, monkeypatch):
    fit(tmp_path, epochs=1)

    def full(path, *arrays):
        Path(path).write_bytes(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(sv.RunFolderError, match=r"state\.npz cannot be written.*No space left"):
        fit(tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob(".unfinished-*"))
    assert_same(fit(tmp_path), fit(tmp_path / "other"))
