"""Measure how time and memory grow with the number of pairs.

    python benchmarks/sizes.py                                # 10^5 and 10^6 pairs: minutes
    python benchmarks/sizes.py --pairs 100000 1000000 10000000

There are ten times as many pairs as images, and ten images of each identity. Half of the pairs are
genuine. Each step runs in a process of its own. Its memory is the peak of that process less its
memory after the imports, and includes the list of pairs. Seconds are of the processor and of the
clock, since other work on a machine delays the clock alone. The last column is the exponent of
growth: 1 means that ten times as many pairs need ten times the processor time.

`STEPS` holds a function for each step. Another kind of step, such as one for images, is another
function in it.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from siamese_verify.data.pairs import PairList
from siamese_verify.data.sample_list import SampleList
from siamese_verify.evaluation.report import evaluate_scores

Step = Callable[[int, Path], Callable[[], object]]
"""A function of the number of pairs and the CSV file, which returns the work to be measured."""


def columns(n: int) -> tuple[SampleList, np.ndarray, np.ndarray]:
    """Draw `n` pairs among `n / 10` images."""
    n_images, rng = n // 10, np.random.default_rng(0)
    left = rng.integers(n_images, size=n)
    near = left // 10 * 10 + (left + rng.integers(1, 10, size=n)) % 10
    right = np.where(rng.random(n) < 0.5, near, rng.integers(n_images, size=n))
    codes = np.arange(n_images, dtype=np.int32) // 10
    names = [f"identity {code:07d}" for code in range(n_images // 10)]
    paths = [f"{i // 10:07d}/{i:08d}.jpg" for i in range(n_images)]
    indices = np.column_stack((left, right)).astype(np.int32)
    return SampleList(paths, names, codes), indices, (codes[left] == codes[right]).astype(np.int32)


def write_csv(n: int, path: Path) -> None:
    """Write the tables that are read. A process of its own keeps the memory of this one small."""
    samples, indices, labels = columns(n)
    paths = samples.paths
    with open(path, "w", encoding="utf-8") as file:
        file.write("left,right,label\n")
        for start in range(0, n, 2**16):
            part = slice(start, start + 2**16)
            rows = zip(indices[part].tolist(), labels[part].tolist(), strict=True)
            file.writelines(f"{paths[i]},{paths[j]},{label}\n" for (i, j), label in rows)
    from pyarrow import csv, parquet

    parquet.write_table(csv.read_csv(path), path.with_suffix(".parquet"))


def read_parquet(n: int, path: Path) -> Callable[[], object]:
    return lambda: PairList.from_table(path.with_suffix(".parquet"))


def draw(n: int, path: Path) -> Callable[[], object]:
    samples = columns(n)[0]
    return lambda: PairList.sample(samples, same=n // 4, different=n - n // 4)


def split(by: str) -> Step:
    return lambda n, path: lambda: PairList.from_columns(*columns(n)).split(0.2, by=by)  # type: ignore[arg-type]


def into_folds(n: int, path: Path) -> Callable[[], object]:
    return lambda: PairList.from_columns(*columns(n)).in_folds(10)


def iterate(n: int, path: Path) -> Callable[[], object]:
    """Gather the indices and labels of shuffled batches of 256 pairs."""

    def work() -> None:
        pairs = PairList.from_columns(*columns(n))
        order = np.random.default_rng(0).permutation(n)
        for start in range(0, n, 256):
            chosen = order[start : start + 256]
            pairs.indices[chosen], pairs.labels[chosen]

    return work


def evaluate(n: int, path: Path, by_identity: bool = False) -> Callable[[], object]:
    def work() -> object:
        pairs = PairList.from_columns(*columns(n))
        scores = np.random.default_rng(0).normal(pairs.labels).astype(np.float32)
        identities = pairs.identity_codes if by_identity else None
        return evaluate_scores(scores, pairs.labels, 0.5, identities)

    return work


STEPS: dict[str, Step] = {
    "make the list": lambda n, path: lambda: PairList.from_columns(*columns(n)),
    "read CSV": lambda n, path: lambda: PairList.from_table(path),
    "read Parquet": read_parquet,
    "draw as many pairs": draw,
    "split by pair": split("pair"),
    "split by identity": split("identity"),
    "into 10 folds": into_folds,
    "batches of 256": iterate,
    "evaluate_scores": evaluate,
    "the same, by identity": lambda n, path: evaluate(n, path, by_identity=True),
}


WRITE = "write"


def peak() -> float:
    """Return the largest memory of this process so far, in MB."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


def measure(step: str, n: int, path: Path) -> None:
    """Run one step in this process, and print its figures."""
    warnings.simplefilter("ignore")
    work = {**STEPS, WRITE: lambda n, path: lambda: write_csv(n, path)}[step](n, path)
    before, clock, processor = peak(), time.perf_counter(), time.process_time()
    work()
    spent = time.process_time() - processor, time.perf_counter() - clock, peak() - before
    print(json.dumps(spent))


def measured(step: str, n: int, path: Path) -> tuple[float, float, float]:
    """Run one step in a process of its own, and return processor time, clock time and memory."""
    # A process inherits the peak memory of its parent, which must stay small.
    run = [sys.executable, __file__, "--measure", step, str(n), str(path)]
    output = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    processor, clock, memory = json.loads(output)
    return processor, clock, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[10**5, 10**6])
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        step, n, path = arguments.measure
        measure(step, int(n), Path(path))
        return
    print("| step | pairs | processor, s | clock, s | peak memory, MB | growth |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        files = {n: Path(folder) / f"{n}.csv" for n in arguments.pairs}
        for n, path in files.items():
            measured(WRITE, n, path)
        for step in arguments.steps:
            last: tuple[int, float] | None = None
            for n, path in files.items():
                processor, clock, memory = measured(step, n, path)
                growth = ""
                if last is not None:
                    growth = f"{math.log(processor / last[1]) / math.log(n / last[0]):.2f}"
                last = n, processor
                row = (
                    f"| {step} | {n:,} | {processor:.2f} | {clock:.2f} | {memory:,.0f} | {growth} |"
                )
                print(row, flush=True)


if __name__ == "__main__":
    main()
