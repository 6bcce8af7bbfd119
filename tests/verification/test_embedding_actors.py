"""Tests of embeddings in files that actors of a local Ray write."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding_tables import read, states, write

import siamese_verify as sv
from siamese_verify.data.sample_blocks import SampleBlock

ROWS = 3  # Few, so that there are many shards, and a process is killed between them.

pytestmark = [
    pytest.mark.slow,
    # Settings that Ray Data makes by itself.
    pytest.mark.filterwarnings("ignore:`use_.*` is deprecated:DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # It reports nothing.
    ray: Any = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def alone(
    verifier: sv.Verifier, table: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Shards that one process has written without Ray."""
    folder = tmp_path_factory.mktemp("alone")
    write(verifier, table, folder, images_per_shard=ROWS)
    return folder


def check_equal(folder: Path, alone: Path) -> None:
    assert {file.name for file in folder.iterdir()} == {file.name for file in alone.iterdir()}
    for name in ("embeddings.json", "skipped.csv"):
        assert (folder / name).read_bytes() == (alone / name).read_bytes()
    (paths, embeddings), (expected, by_one) = read(folder), read(alone)
    assert paths == expected
    np.testing.assert_allclose(embeddings, by_one, rtol=0, atol=1e-6)


def children(name: str) -> list[int]:
    """Find the processes of a name that descend from this one, by Linux's /proc."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            names[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue

    def descends(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return [process for process in parents if name in names[process] and descends(process)]


def test_two_actors_write_what_one_process_does_also_if_one_is_killed(
    verifier: sv.Verifier, table: dict[str, list[str]], alone: Path, tmp_path: Path
) -> None:
    shards_when_killed = []

    def kill_an_actor() -> None:
        while not (found := states(tmp_path) and children("ray::MapWorker")):
            time.sleep(0.01)
        os.kill(found[0], signal.SIGKILL)
        shards_when_killed.append(len(states(tmp_path)))

    thread = threading.Thread(target=kill_an_actor, daemon=True)
    thread.start()
    write(verifier, table, tmp_path, images_per_shard=ROWS, workers=2)
    thread.join(timeout=10)
    assert 0 < shards_when_killed[0] < len(states(tmp_path))
    check_equal(tmp_path, alone)


DRIVER = """
import sys
import siamese_verify as sv
sv.Verifier.load(sys.argv[1]).write_embeddings(
    sys.argv[2], sys.argv[3], images_per_shard=int(sys.argv[4]), workers=1, verbose=False
)
"""


def test_after_the_driver_was_killed_another_call_writes_only_what_is_missing(
    verifier: sv.Verifier, saved: Path, table: dict[str, list[str]], alone: Path, tmp_path: Path
) -> None:
    rows = ["path,identity", *map(",".join, zip(*table.values(), strict=True))]
    (tmp_path / "table.csv").write_text("\n".join(rows))
    folder = tmp_path / "shards"
    arguments = [str(saved), str(tmp_path / "table.csv"), str(folder), str(ROWS)]
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, *arguments])
    while not states(folder) and driver.poll() is None:
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    while children("ray::MapWorker"):  # Ray ends the actors of a driver that has died.
        time.sleep(0.1)
    before = states(folder)
    assert 0 < len(before) < len(states(alone))
    write(verifier, tmp_path / "table.csv", folder, images_per_shard=ROWS)
    assert before.items() <= states(folder).items()
    check_equal(folder, alone)


def test_images_that_kill_every_process_end_the_job_and_are_named(tmp_path: Path) -> None:
    from siamese_verify.verification import embedding_actors

    class Dying:
        folder = tmp_path

        def check_same_model(self) -> None:
            raise SystemExit  # As Ray sees a process that dies.

    table = embedding_actors._as_table(SampleBlock(7, ["a.png", "b.png"], None))
    actor = embedding_actors._Actor(Dying(), os.getcwd(), "run")
    for _ in range(3):
        with pytest.raises(SystemExit):
            actor(table)
    error = pickle.loads(actor(table)["error"][0].as_py())
    assert "3 processes have died" in str(error)
    assert str(error).endswith("Received: images from 'a.png' to 'b.png'")
    assert not list(tmp_path.iterdir())
