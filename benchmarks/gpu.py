"""Measure training, input, embedding and a recipe on a GPU, compared with hand-written code.

    KERAS_BACKEND=jax python benchmarks/gpu.py --out gpu     # at most 8 minutes
    KERAS_BACKEND=torch python benchmarks/gpu.py --out gpu
    KERAS_BACKEND=jax python benchmarks/gpu.py --small       # tiny sizes, for a CPU

It needs arrays only, not TensorFlow. The most important rows come first, and each is printed and
written to results.json as soon as it is measured. Each job runs in a process of its own, so that
the peak of memory is its own. Nothing else should run on the GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Row = dict[str, Any]
WORKER = Path(__file__).with_name("gpu_worker.py")
LIBRARY, KERAS, TORCH = "siamese-verify", "Keras by hand", "PyTorch by hand"
PRECISIONS = ("float32", "mixed_bfloat16")
FIGURES = {
    "step": ("ms a step", "pairs a second"),
    "input": ("ms a step in fit", "ms without input", "ms input alone", "input share"),
    "embed": ("images a second",),
    "recipe": (
        *("first epoch, s", "later epochs, s", "images a second"),
        "1,000 pairs scored, s",
    ),
}
TITLES = {
    "step": "Training step of pairs that are on the device already",
    "input": "Input share of `fit` over uint8 arrays",
    "embed": "`model.embed` of uint8 arrays, in batches",
    "recipe": "The recipe `unrestricted` on drawn arrays, without augmentation",
}
SIZES = {"step": [32, 128, 512, 1024], "input": [128, 512], "embed": [32, 128, 512, 2048]}
SMALL_SIZES = {"step": [4], "input": [4], "embed": [4]}
PACKAGES = ("siamese-verify", "keras", "jax", "jaxlib", "torch", "numpy", "tensorflow")
SHORTEST = 15.0  # Seconds that a job needs to measure anything.


def planned(small: bool) -> list[Row]:
    """List the jobs, the most important first."""
    sizes = {**(SMALL_SIZES if small else SIZES), "recipe": [8 if small else 128]}
    contenders = [LIBRARY, KERAS, *([TORCH] if find_spec("torch") else [])]

    def job(kind: str, network: str, precision: str, contender: str = LIBRARY) -> Row:
        names = {"kind": kind, "network": network, "precision": precision}
        return {**names, "contender": contender, "sizes": sizes[kind]}

    def steps(network: str, precision: str) -> list[Row]:
        return [job("step", network, precision, contender) for contender in contenders]

    single, half = PRECISIONS
    jobs = [
        *(row for precision in PRECISIONS for row in steps("koch2015", precision)),
        job("input", "koch2015", single),
        *steps("multi-crop", single),
        job("recipe", "multi-crop", single),
        *(job("embed", "koch2015", precision) for precision in PRECISIONS),
    ]
    if small:
        return jobs
    return [
        *jobs,
        *steps("multi-crop", half),
        *(job("embed", "multi-crop", precision) for precision in PRECISIONS),
        job("input", "multi-crop", single),
        job("recipe", "multi-crop", half),
    ]


def measured(jobs: list[Row], small: bool, limit: float) -> Iterator[Row]:
    """Yield the rows of jobs from one process, which is killed at the limit of seconds."""
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
    if small:  # Compilation would need most of the time.
        environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    command = [sys.executable, str(WORKER), json.dumps(jobs), "small" if small else "full"]
    missing = {(index, size) for index, job in enumerate(jobs) for size in job["sizes"]}
    expired = threading.Event()

    def end() -> None:
        expired.set()
        process.kill()

    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(limit, end)
        timer.start()
        try:
            for line in process.stdout or ():
                if line.startswith("{"):
                    missing.remove(min(missing))
                    yield json.loads(line)
            status = process.wait()
        finally:
            timer.cancel()
            process.kill()
    why = "out of time" if expired.is_set() else f"the process ended with {status}"
    for index, size in sorted(missing):
        names = {name: value for name, value in jobs[index].items() if name != "sizes"}
        yield {**names, "size": size, "failed": why}


class Tables:
    """Markdown tables that grow row by row, with a new table for each kind of job."""

    def __init__(self) -> None:
        self.kind = ""

    def show(self, row: Row) -> None:
        figures = FIGURES[row["kind"]]
        if row["kind"] != self.kind:
            self.kind = row["kind"]
            names = ("network", "precision", "", "batch", *figures, "peak GiB", "device")
            print(f"\n{TITLES[self.kind]}:\n\n| {' | '.join(names)} |\n{'|---' * len(names)}|")
        values = [in_words(name, row.get(name)) for name in figures]
        if "failed" in row:
            values[0] = row["failed"]
        named = [str(row[name]) for name in ("network", "precision", "contender", "size")]
        others = [in_words("peak GiB", row.get("peak GiB")), row.get("device", "")]
        print(f"| {' | '.join([*named, *values, *others])} |", flush=True)


def in_words(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name == "input share":
        return f"{value:.0%}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def machine() -> Row:
    """Name the card, its driver and the versions."""
    card = "no NVIDIA card found"
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv"]
        found = subprocess.run(query, capture_output=True, text=True)
        card = " / ".join(found.stdout.splitlines()[1:]) or card
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    backend = os.environ["KERAS_BACKEND"]
    return {"card": card, "cores": os.cpu_count(), "backend": backend, "versions": versions}


def agreement(rows: list[Row]) -> Iterator[str]:
    """Tell for each network how far the contenders' losses of the same pairs are apart."""
    for network in dict.fromkeys(row["network"] for row in rows):
        losses = {
            row["contender"]: row["loss"]
            for row in rows
            if row["network"] == network and row["precision"] == "float32" and "loss" in row
        }
        if len(losses) > 1:
            yield f"{network}: losses of the same pairs, in float32, before training: " + ", ".join(
                f"{name} {loss:.5f}" for name, loss in losses.items()
            )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--small", action="store_true", help="tiny sizes, in one process, for a CPU")
    add("--out", type=Path, metavar="DIR", help="folder for results.json (default: none)")
    add("--minutes", type=float, default=8.0, help="time after which nothing starts (default: 8)")
    arguments = parser.parse_args()
    if os.environ.get("KERAS_BACKEND") not in ("jax", "torch"):
        parser.error(
            "This benchmark measures JAX and torch. Set KERAS_BACKEND to jax or torch. "
            f"Received: KERAS_BACKEND={os.environ.get('KERAS_BACKEND', '')!r}"
        )
    return arguments


def main() -> None:
    arguments = parse()
    begin, budget = time.monotonic(), 60 * arguments.minutes
    results: Row = {**machine(), "rows": [], "left out": []}
    about = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    print(f"Card: {results['card']}. Backend: {results['backend']}. Versions: {about}.")
    jobs, tables = planned(arguments.small), Tables()
    for group in [jobs] if arguments.small else [[job] for job in jobs]:
        left = budget - (time.monotonic() - begin)
        if left < SHORTEST:
            results["left out"] += group
            continue
        # A quarter at most, so that one job that hangs does not cost all others.
        limit = left if arguments.small else min(left, budget / 4)
        for row in measured(group, arguments.small, limit):
            results["rows"].append(row)
            tables.show(row)
            write(results, arguments.out)
    write(results, arguments.out)
    print("\n" + "\n".join(agreement(results["rows"])))
    for job in results["left out"]:
        names = ", ".join(job[name] for name in ("kind", "network", "precision", "contender"))
        print(f"Left out, since the time was over: {names}")
    print(f"Took {time.monotonic() - begin:.0f} s.")


def write(results: Row, folder: Path | None) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
