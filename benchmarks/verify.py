"""Measure the time of a decision: from the shell, in a process, and in eight threads.

python benchmarks/verify.py runs/lfw/verifier.keras A.jpg B.jpg
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import siamese_verify as sv

CALLS, THREADS = 200, 8


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="file that Verifier.save wrote")
    parser.add_argument("one", metavar="A", help="path of an image file")
    parser.add_argument("other", metavar="B", help="path of the image file to compare A with")
    settings = parser.parse_args()
    pair = settings.one, settings.other
    command = ["siamese-verify", "verify", settings.model, *pair]
    shell = [seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL)) for _ in range(5)]
    verifier = sv.Verifier.load(settings.model)
    expected = verifier.verify(*pair)
    calls = [seconds(lambda: verifier.verify(*pair)) for _ in range(CALLS)]
    with ThreadPoolExecutor(THREADS) as pool:
        start = time.perf_counter()
        decisions = list(pool.map(lambda _: verifier.verify(*pair), range(CALLS)))
        together = time.perf_counter() - start
    differing = sum(decision != expected for decision in decisions)
    print("| | |\n|---|---|")
    print(
        f"| from the shell, model load included, median of 5 | {statistics.median(shell):.1f} s |"
    )
    print(f"| `verify`, median of {CALLS} | {1000 * statistics.median(calls):.0f} ms |")
    print(f"| the same from {THREADS} threads, time for each | {1000 * together / CALLS:.0f} ms |")
    print(f"| answers of the threads that differ | {differing} |")


if __name__ == "__main__":
    main()
