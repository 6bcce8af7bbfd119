"""Jobs of `gpu.py` in a process of their own: prints each row as a line of JSON."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from gpu_networks import NETWORKS, SMALL, Network, keras_by_hand, library

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "lfw"))
from networks import build_networks, compile_networks
from recipes import RECIPES

BACKEND = keras.backend.backend()
Row = dict[str, Any]


class KerasContender:
    """Contender in Keras. Batches are kept on the device, and each step is waited for."""

    def __init__(self, model: keras.Model):
        self.model = model

    def place(self, *arrays: np.ndarray) -> list[Any]:
        """Copy arrays to the device."""
        return [keras.ops.convert_to_tensor(array) for array in arrays]

    def loss(self, left: Any, right: Any, labels: Any) -> float:
        """Compute the loss of pairs, outside of training."""
        return float(self.model.test_on_batch((left, right), labels))

    def step(self, left: Any, right: Any, labels: Any) -> None:
        """Make one training step."""
        self.model.train_on_batch((left, right), labels)
        wait([variable.value for variable in self.model.trainable_variables])


def wait(values: Any) -> None:
    """Wait until the device has computed these values."""
    if BACKEND == "jax":
        import jax

        jax.block_until_ready(values)
    elif on_cuda():
        import torch

        torch.cuda.synchronize()


def on_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def contender(job: Row, network: Network) -> Any:
    """Build the network of a job."""
    if job["contender"] == "PyTorch by hand":
        from gpu_torch import TorchByHand

        return TorchByHand(network, job["precision"])
    build = library if job["contender"] == "siamese-verify" else keras_by_hand
    return KerasContender(build(network))


def seconds(work: Callable[[], object], small: bool) -> float:
    """Measure the median seconds of some work. The first calls, which compile, do not count."""
    taken: list[float] = []
    for _ in range(2):
        work()
    begin = time.perf_counter()
    while len(taken) < 3 or time.perf_counter() - begin < (0.1 if small else 1.5):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def pairs(n: int, network: Network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw pairs of uint8 images, and labels."""
    rng = np.random.default_rng(0)
    shape = (2, n, network.image, network.image, 1)
    left, right = rng.integers(256, size=shape, dtype=np.uint8)
    return left, right, (np.arange(n) % 2).astype(np.float32)


def step(job: Row, network: Network, size: int, small: bool) -> Row:
    """Measure a training step of `size` pairs that are on the device already."""
    made = contender(job, network)
    loss = made.loss(*made.place(*pairs(4, network)))
    batch = made.place(*pairs(size, network))
    taken = seconds(lambda: made.step(*batch), small)
    return {"loss": loss, "ms a step": 1000 * taken, "pairs a second": size / taken}


class EpochTimes(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        wait([variable.value for variable in self.model.trainable_variables])
        self.seconds.append(time.perf_counter() - self._start)


def fit(model: keras.Model, inputs: Any, labels: Any, size: int, epochs: int) -> list[float]:
    """Train for some epochs, and return the seconds of each."""
    times = EpochTimes()
    model.fit(inputs, labels, batch_size=size, epochs=epochs, verbose=0, callbacks=[times])
    return times.seconds


def input_share(job: Row, network: Network, size: int, small: bool) -> Row:
    """Measure a step of `fit` from arrays, without its input, and the input alone."""
    n_steps = 3 if small else 20
    made, arrays = contender(job, network), pairs(n_steps * size, network)
    in_fit = statistics.median(fit(made.model, arrays[:2], arrays[2], size, 4)[1:]) / n_steps
    batch = made.place(*(array[:size] for array in arrays))
    alone = seconds(lambda: made.step(*batch), small)

    rng = np.random.default_rng(0)

    def read() -> None:
        order = rng.permutation(n_steps * size)
        for rows in np.split(order, n_steps):
            wait(made.place(*(array[rows] for array in arrays)))

    reading = seconds(read, small) / n_steps
    return {
        "ms a step in fit": 1000 * in_fit,
        "ms without input": 1000 * alone,
        "ms input alone": 1000 * reading,
        "input share": max(0.0, 1 - alone / in_fit),
    }


def embed(job: Row, network: Network, size: int, small: bool) -> Row:
    """Measure `model.embed` on uint8 images, in batches of `size`."""
    model = library(network)
    images = pairs(size if small else max(1024, 4 * size), network)[0]
    taken = seconds(lambda: model.embed(images, batch_size=size), small)
    return {"images a second": len(images) / taken}


def recipe(job: Row, network: Network, size: int, small: bool) -> Row:
    """Measure epochs of the recipe `unrestricted` on drawn arrays, and scores of pairs."""
    settings = RECIPES["unrestricted"]
    n_images, n_identities = (2 * size, 4) if small else (70 * size, 1700)
    if small:
        settings = replace(settings, tower="small", image_size=32)
    networks = build_networks(settings, n_identities)
    compile_networks(networks, settings, n_images // size)
    # The recipes turn XLA off for TensorFlow on a CPU. JAX is slow without it.
    networks.trained.jit_compile = BACKEND == "jax"
    rng = np.random.default_rng(0)
    images = rng.random((n_images, settings.image_size, settings.image_size, 1), np.float32)
    labels = rng.integers(n_identities, size=n_images)
    labels = labels if networks.n_outputs == 1 else [labels] * networks.n_outputs
    first, *later = fit(networks.trained, images, labels, size, 2 if small else 4)
    epoch, rows = statistics.median(later), rng.integers(n_images, size=(1000, 2))
    start = time.perf_counter()
    networks.verification.score(images, rows)
    return {
        "first epoch, s": first,
        "later epochs, s": epoch,
        "images a second": n_images / epoch,
        "1,000 pairs scored, s": time.perf_counter() - start,
    }


KINDS = {"step": step, "input": input_share, "embed": embed, "recipe": recipe}


def device(by_torch: bool) -> tuple[str, float | None]:
    """Name the device, and return the GiB of its memory that were used at the peak, if known."""
    if by_torch:
        import torch

        if not on_cuda():
            return "cpu", None
        return torch.cuda.get_device_name(), torch.cuda.max_memory_allocated() / 2**30
    import jax

    first = jax.local_devices()[0]
    peak = (first.memory_stats() or {}).get("peak_bytes_in_use")
    return first.device_kind, None if peak is None else peak / 2**30


def failure(error: BaseException) -> str:
    """Describe an error in the words of a table."""
    text = f"{type(error).__name__}: {error}"
    if any(sign in text.lower() for sign in ("out of memory", "resource_exhausted", "memoryerror")):
        return "out of memory"
    return text.splitlines()[0][:100].replace("|", "/")


def rows(job: Row, small: bool) -> Iterator[Row]:
    """Measure each size of a job. A size that fails is a row that says so."""
    keras.config.set_dtype_policy(job["precision"])
    by_torch = BACKEND == "torch" or job["contender"] == "PyTorch by hand"
    for size in job["sizes"]:
        keras.utils.set_random_seed(0)
        start = time.perf_counter()
        named = {**{name: job[name] for name in job if name != "sizes"}, "size": size}
        try:
            network = (SMALL if small else NETWORKS)[job["network"]]
            figures = KINDS[job["kind"]](job, network, size, small)
        except Exception as error:  # Every other row is still of use.
            figures = {"failed": failure(error)}
        name, peak = device(by_torch)
        took = time.perf_counter() - start
        yield {**named, **figures, "peak GiB": peak, "device": name, "took s": took}
        gc.collect()


def main(jobs: list[Row], small: bool) -> None:
    """Measure the jobs one after the other."""
    warnings.simplefilter("ignore")  # Random images and weights teach nothing.
    if BACKEND == "torch" or any(job["contender"] == "PyTorch by hand" for job in jobs):
        import torch

        # By default, JAX multiplies float32 in TF32 on a GPU, and PyTorch does not.
        torch.set_float32_matmul_precision("high")
    for job in jobs:
        for row in rows(job, small):
            print(json.dumps({**row, "tensorflow": "tensorflow" in sys.modules}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2] == "small")
