"""Measure this library against hand-written Keras and PyTorch, and print a table.

    pip install -e ".[benchmarks]"
    python benchmarks/run.py --data DIR   # about 40 minutes

DIR is the same as for examples/lfw/train.py.

Each contender runs in a process of its own. They take turns in every round, one at a time. The
table has medians over the rounds. All start from the same weights, and must agree on the loss of
the same pairs before anything is timed. Nothing else should run on the machine.

With `--avx2`, all libraries use only the instructions of a CPU without AVX-512. Keras at its
defaults then runs without oneDNN, as TensorFlow decides on such a CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from network import step_operations

import siamese_verify as sv

HERE = Path(__file__).parent
# Variables that restrict oneDNN, MKL, PyTorch and OpenBLAS to AVX2.
AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "OPENBLAS_CORETYPE": "Haswell",
}


class Contender(NamedTuple):
    """Contender: its name in the table, module, arguments, and environment variables."""

    name: str
    module: str
    arguments: dict[str, Any]
    environment: dict[str, str | None]


DEFAULTS = Contender("Keras by hand", "keras_by_hand", {}, {"TF_ENABLE_ONEDNN_OPTS": None})
TUNED = Contender(
    "Keras by hand, oneDNN + XLA",
    "keras_by_hand",
    {"jit_compile": True},
    {"TF_ENABLE_ONEDNN_OPTS": "1"},
)
TORCH = Contender("PyTorch by hand", "torch_by_hand", {}, {})
LIBRARY = Contender("siamese-verify", "library", {}, {"TF_ENABLE_ONEDNN_OPTS": "1"})

TASKS = ["step", "verify", "epoch", "memory"]
NETWORKS = ["base", "batch_norm"]


class Worker:
    """Process of a contender."""

    def __init__(self, contender: Contender, batch_norm: bool, scratch: Path):
        self.name = contender.name
        environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
        for name, value in contender.environment.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        arguments = json.dumps({**contender.arguments, "batch_norm": batch_norm})
        self.process = subprocess.Popen(
            [sys.executable, HERE / "worker.py", contender.module, arguments, scratch],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.answer()

    def answer(self) -> Any:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError(f"{self.name} ended: exit status {self.process.wait()}")
        return json.loads(line)

    def ask(self, task: str, size: int = 0) -> Any:
        print(json.dumps({"task": task, "size": size}), file=self.process.stdin, flush=True)
        return self.answer()

    def close(self) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait()


@contextlib.contextmanager
def started(contenders: list[Contender], *arguments: Any) -> Iterator[list[Worker]]:
    workers = [Worker(contender, *arguments) for contender in contenders]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.close()


def write_pairs(data: Path, scratch: Path) -> None:
    """Write the 1,870 training and 1,000 test pairs, the same for every contender."""
    train, _ = sv.PairList.from_lfw(data / "pairsDevTrain.txt").split(0.15)
    for name, pairs in {
        "train": train,
        "test": sv.PairList.from_lfw(data / "pairsDevTest.txt"),
    }.items():
        pairs.to_lfw(scratch / f"{name}.txt")
        dataset = sv.PairDataset(pairs, data / "lfw2", verbose=False)
        np.savez(
            scratch / f"{name}.npz",
            images=dataset.images,
            indices=dataset.indices,
            labels=dataset.labels,
            files=[str(data / "lfw2" / sample.path) for sample in pairs.samples],
            list_file=str(scratch / f"{name}.txt"),
            images_root=str(data / "lfw2"),
        )


def matrix_product_rate() -> float:
    """Measure operations per second of a large float32 matrix product in NumPy."""
    # NumPy reads the environment when it is imported, so this needs a process of its own.
    code = (
        "import numpy as np, time; a = np.ones((3000, 3000), np.float32)\n"
        "def f(): t = time.perf_counter(); a @ a; return time.perf_counter() - t\n"
        "print(min(f() for _ in range(5)))"
    )
    seconds = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    return 2 * 3000**3 / float(seconds)


def check_agreement(workers: list[Worker]) -> None:
    losses = {worker.name: worker.ask("loss", 32) for worker in workers}
    print("loss of the same 32 pairs: " + ", ".join(f"{n} {x:.6f}" for n, x in losses.items()))
    if max(losses.values()) - min(losses.values()) > 1e-4:
        sys.exit("The contenders do not compute the same thing.")


def measure(workers: list[Worker], task: str, size: int, rounds: int) -> dict[str, list[float]]:
    """Measure the seconds of each contender in each round, after a round that does not count.

    With `rounds=0`, the first round counts.
    """
    seconds = [
        {worker.name: worker.ask(task, size) for worker in workers} for _ in range(rounds + 1)
    ]
    counted = seconds[1:] or seconds
    return {worker.name: [round_[worker.name] for round_ in counted] for worker in workers}


def show(title: str, values: dict[str, float], note: dict[str, str] | None = None) -> None:
    print(f"\n{title}")
    best = values[LIBRARY.name]
    for name, value in values.items():
        print(f"  {name:<30}{value:>9.3f}{value / best:>9.2f} x  {(note or {}).get(name, '')}")


def run_variant(
    contenders: list[Contender],
    batch_norm: bool,
    scratch: Path,
    tasks: list[str],
    rounds: int,
    rate: float,
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Yield each task with its times, as soon as it is measured."""
    print(f"\n--- {'batch norm' if batch_norm else 'base'} network; ratios are to {LIBRARY.name}")
    with started(contenders, batch_norm, scratch) as workers:
        check_agreement(workers)
        for pairs in (32, 128) if "step" in tasks else ():
            taken = measure(workers, "step", pairs, rounds)
            medians = {name: statistics.median(values) for name, values in taken.items()}
            share = {
                name: f"{step_operations(pairs) / value / rate:.0%} of the matrix-product rate"
                for name, value in medians.items()
            }
            show(f"training step of {pairs} pairs, seconds", medians, share)
            yield f"step_{pairs}", taken
        if "verify" in tasks:
            taken = measure(workers, "verify", 0, 1)
            medians = {name: statistics.median(values) for name, values in taken.items()}
            show("verification of all test pairs, from pixels to scores, seconds", medians)
            yield "verify", taken
            # The other contenders pass each pair through the tower, so that their time grows with
            # the number of pairs and can be extrapolated.
            many = {name: 100 * value for name, value in medians.items()}
            many[LIBRARY.name] = workers[-1].ask("verify", 100_000)
            show("100,000 pairs of them, seconds (the others: 100 times the above)", many)
            yield "verify_100000", {name: [value] for name, value in many.items()}
        if "epoch" in tasks:
            # One round only, since contenders that keep decoded images decode in the first epoch.
            taken = measure(workers, "epoch", 0, 0)
            title = "first epoch of all training pairs, from files, seconds"
            show(title, {name: values[0] for name, values in taken.items()})
            yield "epoch", taken
    if "memory" in tasks:
        peaks = {}
        for contender in contenders:
            with started([contender], batch_norm, scratch) as (worker,):
                peaks[contender.name] = worker.ask("memory", 128)
        show("peak memory of training with 128 pairs, GiB", peaks)
        yield "memory", {name: [value] for name, value in peaks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="folder with lfw2/ and pair lists")
    add("--rounds", type=int, default=5, help="rounds of each training step (default: 5)")
    add("--output", type=Path, default=Path("benchmarks.json"), help="default: benchmarks.json")
    add("--avx2", action="store_true", help="as on a CPU without AVX-512")
    add("--tasks", nargs="+", choices=TASKS, default=TASKS, help="default: all")
    add("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="default: both")
    arguments = parser.parse_args()
    if arguments.avx2:
        os.environ.update(AVX2)
        DEFAULTS.environment["TF_ENABLE_ONEDNN_OPTS"] = "0"
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    contenders = [DEFAULTS, TUNED, LIBRARY]
    if importlib.util.find_spec("torch"):
        contenders.insert(2, TORCH)
    else:
        print('PyTorch is left out, since it is not installed: pip install -e ".[benchmarks]"')
    rate = matrix_product_rate()
    packages = [p for p in ("tensorflow", "keras", "numpy", "torch") if importlib.util.find_spec(p)]
    results: dict[str, Any] = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "matrix_product_gflops": rate / 1e9,
            "held_to_avx2": arguments.avx2,
        },
        "versions": {package: version(package) for package in packages},
    }
    print(f"{os.cpu_count()} cores, matrix product {rate / 1e9:.0f} GFLOP/s, {results['versions']}")
    with tempfile.TemporaryDirectory() as scratch:
        write_pairs(arguments.data.resolve(), Path(scratch))
        for network in arguments.networks:
            results[network] = {}
            for task, taken in run_variant(
                contenders,
                network == "batch_norm",
                Path(scratch),
                arguments.tasks,
                arguments.rounds,
                rate,
            ):
                results[network][task] = taken
                arguments.output.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nEverything is in {arguments.output}")


if __name__ == "__main__":
    main()
