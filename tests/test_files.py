"""Tests of files that are whole or absent."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from siamese_verify.files import lock, replacing


def test_a_replaced_file_is_complete_and_its_folder_is_made(tmp_path: Path):
    target = tmp_path / "new" / "folder" / "model.keras"
    for text in ("first", "second"):
        with replacing(target) as unfinished:
            assert unfinished.name == "model.keras"
            unfinished.write_text(text)
        assert target.read_text() == text
    assert os.listdir(target.parent) == ["model.keras"]


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file") as unfinished:
        unfinished.write_text(str(1 / (unfinished.write_text("new") - 3)))
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_file_is_on_the_disk_before_it_replaces_the_old_one_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    steps = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor: int):
        steps.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def record_replace(source: Path, target: Path):
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    with replacing(tmp_path / "file") as unfinished:
        unfinished.write_text("new")
    file, folder = (tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino
    assert steps == [file, "replace", folder]


WRITER = """
import signal, sys, time
from siamese_verify.files import replacing
# A shell in the background lets its processes ignore the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
with replacing(sys.argv[1]) as unfinished:
    unfinished.write_bytes(bytes(1000))
    print("writing", flush=True)
    time.sleep(60)
"""


def writer(target: Path) -> subprocess.Popen[str]:
    """Start a process that is in the midst of a write."""
    command = [sys.executable, "-c", WRITER, str(target)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "writing\n"
    return process


def test_what_a_killed_write_leaves_is_removed_by_the_next_one_and_a_live_write_is_not(
    tmp_path: Path,
):
    with writer(tmp_path / "a") as killed, writer(tmp_path / "b") as live:
        killed.kill()
        killed.wait()
        assert len(os.listdir(tmp_path)) == 2
        with replacing(tmp_path / "a") as unfinished:
            unfinished.write_text("whole")
        assert len(os.listdir(tmp_path)) == 2
        assert (tmp_path / "a").read_text() == "whole"
        live.send_signal(signal.SIGINT)
    assert os.listdir(tmp_path) == ["a"]


def test_writes_of_one_target_within_each_other_and_in_threads_are_all_whole(tmp_path: Path):
    target = tmp_path / "file"

    def write(number: int):
        for _ in range(30):
            with replacing(target) as unfinished:
                unfinished.write_text(str(number) * 1000)

    with replacing(target) as outer:
        outer.write_text("outer")
        threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert target.read_text() in {str(i) * 1000 for i in range(4)}
    assert target.read_text() == "outer"
    assert os.listdir(tmp_path) == ["file"]


MANY = """
import sys
from siamese_verify.files import replacing
while True:
    with replacing(sys.argv[1]) as unfinished:
        unfinished.write_bytes(sys.argv[2].encode() * 100_000)
    print("written", flush=True)
"""


def test_writers_that_are_killed_at_any_moment_leave_a_whole_file(tmp_path: Path):
    target, rng = tmp_path / "file", random.Random(0)
    for _ in range(6):
        commands = [[sys.executable, "-c", MANY, str(target), letter] for letter in "ab"]
        writers = [subprocess.Popen(c, stdout=subprocess.PIPE) for c in commands]
        for process in writers:
            assert process.stdout
            assert process.stdout.readline() == b"written\n"
        time.sleep(rng.uniform(0, 0.05))
        for process in writers:
            process.kill()
            process.communicate()
        assert target.read_bytes() in (b"a" * 100_000, b"b" * 100_000)
    with replacing(target) as unfinished:
        unfinished.write_bytes(b"end")
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_names_the_target_and_not_the_temporary_file(tmp_path: Path):
    with pytest.raises(OSError, match="No space left") as raised, replacing(tmp_path / "model"):
        raise OSError(28, "No space left on device")
    assert str(raised.value) == f"[Errno 28] No space left on device: '{tmp_path / 'model'}'"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as raised, replacing(tmp_path / "folder") as unfinished:
        unfinished.write_text("a file")
    assert str(raised.value) == f"[Errno 21] Is a directory: '{tmp_path / 'folder'}'"
    with pytest.raises(FileNotFoundError) as raised, replacing(tmp_path / "model"):
        (tmp_path / "another").read_bytes()
    assert raised.value.filename == str(tmp_path / "another")


def test_a_lock_is_held_until_its_file_is_closed_or_its_process_dies(tmp_path: Path):
    path = tmp_path / "lock"
    first, second = (os.open(path, os.O_CREAT | os.O_RDWR) for _ in range(2))
    assert lock(first)
    assert not lock(second)
    os.close(first)
    assert lock(second)
    os.close(second)
