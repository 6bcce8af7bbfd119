"""Compare a group of two processes with one: seconds, communication, loss curves.

    KERAS_BACKEND=jax python benchmarks/processes.py --plot docs/images/processes.png

Both train the same network on the same batches of drawn faces, on the same cores. In the group,
each process has its own half of the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

BATCH, EPOCHS, IDENTITIES = 64, 8, 160
CORES = sorted(os.sched_getaffinity(0))


def work(process: int, n: int, port: int) -> None:
    """Train as one process of a group of `n`, and print what it measures."""
    # Before JAX counts the cores.
    os.sched_setaffinity(0, CORES[process::n])
    import keras
    import numpy as np

    import siamese_verify as sv

    images, identities = drawn()
    data = sv.IdentityDataset.from_arrays(images, identities)
    with sv.ProcessGroup([f"localhost:{port}"] + ["localhost"] * (n - 1), process):
        keras.utils.set_random_seed(0)
        tower = sv.ConvTower.residual((64, 64, 1), filters=(16, 32, 64))
        model = sv.SiameseModel(tower, sv.SigmoidCosineHead())
        model.compile(keras.optimizers.SGD(0.02), "binary_crossentropy")
        batches = data.pairs(1_280).batches(BATCH, shuffle=True, augment=True)
        seconds = sv.EpochSeconds()
        history = model.fit(
            batches, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[seconds]
        ).history
        told = {
            "loss": history["loss"],
            "step": float(np.median(history["seconds"][1:])) / int(batches.cardinality()),
            "all_reduce": all_reduce_seconds(model.count_params()),
        }
    if process == 0:
        print(json.dumps(told), flush=True)


def drawn() -> tuple[Any, list[str]]:
    """Draw grey faces `(n, 64, 64, 1)`, and name their identities."""
    import tempfile

    import siamese_verify as sv
    from siamese_verify.drawn_faces.files import write_faces

    with tempfile.TemporaryDirectory() as folder:
        write_faces(Path(folder), range(1, IDENTITIES + 1))
        data = sv.IdentityDataset.from_folder(folder, sv.Preprocessing((64, 64)), verbose=False)
        return data.images[:], [sample.identity for sample in data.samples]


def all_reduce_seconds(n_weights: int) -> float:
    """Measure the sum of an array of the size of the gradient over all processes."""
    import jax
    import numpy as np
    from timing import median_seconds

    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("process",))
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("process"))
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    own = np.ones((jax.local_device_count(), n_weights), np.float32)
    gradients = jax.make_array_from_process_local_data(rows, own)
    total = jax.jit(lambda array: array.sum(0), out_shardings=whole)
    return median_seconds(lambda: total(gradients).block_until_ready(), 20)


def measure(n: int, cores: list[int] = CORES) -> dict[str, Any]:
    """Run a group of `n` processes, and return what the main process measures."""
    os.sched_setaffinity(0, cores)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--worker"]
    environment = os.environ | {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    others = [
        subprocess.Popen([*command, f"{process},{n},{port}"], env=environment)
        for process in range(1, n)
    ]
    main = [*command, f"0,{n},{port}"]
    out = subprocess.run(main, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    for other in others:
        other.wait()
    os.sched_setaffinity(0, CORES)
    told: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    return told


def plot(one: dict[str, Any], two: dict[str, Any], path: Path) -> None:
    """Draw both loss curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    epochs = range(1, EPOCHS + 1)
    axes.plot(epochs, one["loss"], linewidth=5, alpha=0.35, label="one process")
    axes.plot(epochs, two["loss"], marker="o", markersize=4, label="two processes")
    axes.set(xlabel="epoch", ylabel="training loss")
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure both, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", type=Path, help="picture of the loss curves")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.worker:
        work(*map(int, settings.worker.split(",")))
        return
    one, two = measure(1), measure(2)
    print(f"\n{len(CORES)} cores, {BATCH} pairs a step\n")
    print("| processes | ms a step | communication | share of a step |\n|---|---|---|---|")
    for n, told in ((1, one), (2, two)):
        step, reduce = 1000 * told["step"], 1000 * told["all_reduce"] * (n > 1)
        print(f"| {n} | {step:.0f} | {reduce:.1f} ms | {reduce / step:.1%} |")
    print("\n| compared with one process on all cores | first epoch | largest difference |")
    print("|---|---|---|")
    half = measure(1, CORES[: len(CORES) // 2])
    for name, told in (("two processes", two), ("one process on half of the cores", half)):
        gaps = [abs(b / a - 1) for a, b in zip(one["loss"], told["loss"], strict=True)]
        print(f"| {name} | {gaps[0]:.1e} | {max(gaps):.1e} |")
    if settings.plot:
        plot(one, two, settings.plot)


if __name__ == "__main__":
    main()
