"""Tests of the benchmark for a GPU, in small sizes on a CPU."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
JOB = {"kind": "step", "network": "koch2015", "precision": "float32", "contender": "mine"}
HIDDEN = 'raise ModuleNotFoundError("hidden by a test", name="tensorflow")'


@pytest.fixture
def benchmark(monkeypatch):
    """Module `gpu`, and others next to it by name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def run(folder, *flags, hide_tensorflow=False):
    """Run the script with JAX, and return what it prints and its results."""
    if hide_tensorflow:
        (folder / "tensorflow.py").write_text(HIDDEN)
    found = os.pathsep.join([str(folder), *sys.path])
    ended = subprocess.run(
        [sys.executable, FOLDER / "gpu.py", "--out", folder / "out", *flags],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": found},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout, json.loads((folder / "out" / "results.json").read_text())


@pytest.mark.slow
def test_small_sizes_are_measured_without_tensorflow_and_versions_agree(tmp_path):
    shown, results = run(tmp_path, "--small", hide_tensorflow=True)
    rows = results["rows"]
    assert not results["left out"]
    assert not [row for row in rows if "failed" in row or row["tensorflow"]]
    assert {row["kind"] for row in rows} == {"step", "input", "embed", "recipe"}
    steps = [row for row in rows if row["kind"] == "step"]
    for network in ("koch2015", "multi-crop"):
        single = [
            row for row in steps if (row["network"], row["precision"]) == (network, "float32")
        ]
        assert {"siamese-verify", "Keras by hand"} <= {row["contender"] for row in single}
        losses = [row["loss"] for row in single]
        assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-4)
    assert {row["precision"] for row in steps} == {"float32", "mixed_bfloat16"}
    assert all(row["ms a step"] > 0 for row in steps)
    table = [line for line in shown.splitlines() if line.startswith("| ")]
    assert len([line for line in table if not line.startswith("| network")]) == len(rows)


def test_when_the_time_is_over_the_script_says_what_it_left_out(tmp_path):
    shown, results = run(tmp_path, "--minutes", "0.1")
    assert results["rows"] == []
    assert shown.count("Left out, since the time was over: ") == len(results["left out"]) > 10


def test_a_backend_other_than_jax_and_torch_is_an_error_that_names_both():
    ended = subprocess.run(
        [sys.executable, FOLDER / "gpu.py"],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert "Set KERAS_BACKEND to jax or torch" in ended.stderr


@pytest.mark.parametrize(
    ("end", "limit", "why"),
    [("time.sleep(60)", 1.5, "out of time"), ("sys.exit(3)", 60, "the process ended with 3")],
)
def test_a_process_that_ends_early_keeps_its_rows_and_the_others_say_why(
    benchmark, monkeypatch, tmp_path, end, limit, why
):
    gpu = benchmark("gpu")
    first = json.dumps({**JOB, "size": 2, "ms a step": 7.0})
    (tmp_path / "worker.py").write_text(f"import sys, time\nprint({first!r}, flush=True)\n{end}\n")
    monkeypatch.setattr(gpu, "WORKER", tmp_path / "worker.py")
    rows = list(gpu.measured([{**JOB, "sizes": [2, 4]}], small=False, limit=limit))
    assert rows == [{**JOB, "size": 2, "ms a step": 7.0}, {**JOB, "size": 4, "failed": why}]


def test_a_size_that_needs_too_much_memory_is_a_row(benchmark, monkeypatch):
    worker = benchmark("gpu_worker")

    def step(job, network, size, small):
        if size > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return {"ms a step": 7.0}

    monkeypatch.setitem(worker.KINDS, "step", step)
    monkeypatch.setattr(worker, "device", lambda by_torch: ("card", 1.5))
    rows = list(worker.rows({**JOB, "sizes": [2, 4]}, small=True))
    assert rows[0]["ms a step"] == 7.0
    assert rows[1]["failed"] == "out of memory"


@pytest.mark.parametrize("name", ["koch2015", "multi-crop"])
def test_the_networks_of_full_size_are_the_recipes(benchmark, name):
    import networks
    from recipes import RECIPES

    ours = benchmark("gpu_networks")
    recipe = {"koch2015": "report", "multi-crop": "unrestricted"}[name]
    expected = networks.build_tower(RECIPES[recipe])
    assert ours.library(ours.NETWORKS[name]).tower.count_params() == expected.count_params()
