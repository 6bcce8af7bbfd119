"""Seconds and memory of 48 x 48 images on the way from their files to scores, by their number.

    python -m benchmarks.image_sizes 10000 100000 1000000

With `--filled`, no image files are needed. Their contents are made in memory, and `build_store`
adds pixels to the cache without decoding. The other steps do the same work, except for reading.

Each step runs in a process of its own. Its memory is the highest RssAnon, which leaves out pages of
mapped files, without the memory of a process that has only imported the library.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import siamese_verify as sv
from siamese_verify.data import loading, store
from siamese_verify.data.image_cache import CacheWriter
from siamese_verify.data.sample_list import SampleList

SIZE = (48, 48)
PER_IDENTITY, PER_FOLDER = 10, 1000


def write_images(folder: Path, count: int) -> None:
    """Write small JPEG files of few contents. Each has a comment of its own."""
    import tensorflow as tf

    images = [tf.io.encode_jpeg(image).numpy() for image in noise()]
    for i in range(count):
        if i % PER_FOLDER == 0:
            (folder / f"{i // PER_FOLDER}").mkdir(parents=True, exist_ok=True)
        (folder / f"{i // PER_FOLDER}" / f"{i}.jpg").write_bytes(contents(images, i))


def noise() -> np.ndarray:
    """Draw ten images."""
    return np.random.default_rng(0).integers(0, 256, (10, *SIZE, 1), np.uint8)


def contents(images: list[bytes], i: int) -> bytes:
    """Return the contents of the JPEG file of image `i`, with a comment of its own."""
    whole = images[i // PER_IDENTITY % len(images)]
    # After the start and the JFIF header, 20 bytes.
    return whole[:20] + struct.pack(">HHI", 0xFFFE, 6, i) + whole[20:]


def read_no_files() -> None:
    """Let the library find and read files that do not exist."""
    import tensorflow as tf

    images = [tf.io.encode_jpeg(image).numpy() for image in noise()]
    loading.locate_files = lambda root, samples: [f"{root}/{path}" for path in samples.paths]
    store.read_image_file = lambda path, _: contents(images, int(path[path.rfind("/") + 1 : -4]))


def fill_store(folder: Path, count: int) -> None:
    """Add pixels to the cache without decoding."""
    preprocessing, images = sv.Preprocessing(SIZE), noise()
    cache = sv.ImageCache(folder.parent / "cache")
    settings = store.digest_of_settings(preprocessing)
    with CacheWriter(cache, settings, preprocessing.shape, set()) as writer:
        for i in range(count):
            whole = store.read_image_file(f"{folder}/{i}.jpg", preprocessing)
            key = hashlib.blake2b(whole, digest_size=16).digest()
            writer.add(key, images[i // PER_IDENTITY % len(images)])


def samples(count: int) -> SampleList:
    """Make the samples of these images, in columns."""
    paths = [f"{i // PER_FOLDER}/{i}.jpg" for i in range(count)]
    return SampleList.of_columns(paths, [f"{i // PER_IDENTITY:07}" for i in range(count)])[0]


def pair_list(count: int) -> sv.PairList:
    """As many pairs as images, half of one identity."""
    rng = np.random.default_rng(0)
    left = rng.integers(0, count, count)
    same = left // PER_IDENTITY * PER_IDENTITY + (left + 1) % PER_IDENTITY
    labels = np.arange(count) % 2
    right = np.where(labels, same, (left + count // 2) % count)
    return sv.PairList.from_columns(samples(count), np.stack([left, right], axis=1), labels)


def data_set(folder: Path, count: int) -> sv.PairDataset:
    """Pairs of these images with their pixels in a cache."""
    cache = folder.parent / "cache"
    return sv.PairDataset(
        pair_list(count), folder, sv.Preprocessing(SIZE), cache=cache, verbose=False
    )


def model() -> sv.SiameseModel:
    """Make a small model, so that reading images counts."""
    tower = sv.ConvTower([sv.ConvBlock(4, 3, 4)], (*SIZE, 1), embedding_size=32)
    return sv.SiameseModel(tower, sv.CosineHead())


def build_store(folder: Path, count: int) -> None:
    """Decode all images into the cache."""
    data_set(folder, count)


def open_store(folder: Path, count: int) -> None:
    """Find all images in the cache."""
    data_set(folder, count)


def epoch(folder: Path, count: int) -> None:
    """Draw one epoch of shuffled batches."""
    for _ in data_set(folder, count).batches(256, shuffle=True):
        pass


def score(folder: Path, count: int) -> None:
    """Score all pairs by `SiameseModel.score`."""
    data = data_set(folder, count)
    model().score(data.images, data.indices)


def calibrate(folder: Path, count: int) -> None:
    """Choose a threshold on all pairs by `Verifier.calibrate`."""
    sv.Verifier(model(), sv.Preprocessing(SIZE)).calibrate(data_set(folder, count))


def write_shards(folder: Path, count: int) -> None:
    """Decode all images into files that are streamed."""
    given = {"images_root": folder, "verbose": False}
    sv.write_shards(samples(count), folder.parent / "shards", sv.Preprocessing(SIZE), **given)


def stream_shards(folder: Path, count: int) -> None:
    """Stream one epoch of shuffled batches from these files."""
    images = sv.ShardedImages.open(folder.parent / "shards")
    assert sum(len(label) for _, label in images.batches(256, shuffle=True)) == count


STEPS: dict[str, Callable[[Path, int], None]] = {
    step.__name__: step
    for step in (build_store, open_store, epoch, score, calibrate, write_shards, stream_shards)
}


def anonymous_bytes() -> int:
    """Memory of this process without mapped files."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("This system does not tell RssAnon. Run the benchmark on Linux.")


def measure(step: str, folder: Path, count: int, is_filled: bool) -> dict[str, float]:
    """Run a step in this process, and watch its memory."""
    import siamese_verify.model
    import siamese_verify.verification.verifier  # noqa: F401

    work = STEPS[step]
    if is_filled:
        read_no_files()
        work = fill_store if work is build_store else work
    before = peak = anonymous_bytes()
    is_over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(0.02):
            peak = max(peak, anonymous_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, processor = time.perf_counter(), time.process_time()
    work(folder, count)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    is_over.set()
    watcher.join()
    return {
        "seconds": seconds,
        "processor": processor,
        "MiB": (peak - before) / 2**20,
        "total MiB": peak / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--steps", nargs="*", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--folder", type=Path, help="keep the images here")
    parser.add_argument("--filled", action="store_true", help="make no image files")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.measure:
        step, folder, count = settings.measure
        print(json.dumps(measure(step, Path(folder), int(count), settings.filled)))
        return
    print(
        "| step | images | processor, s | clock, s | MiB beyond the import | MiB in all | growth |"
    )
    print("|---|---|---|---|---|---|---|")
    last: dict[str, tuple[int, float]] = {}
    for count in settings.counts:
        with tempfile.TemporaryDirectory() as made:
            folder = (settings.folder or Path(made)) / str(count) / "images"
            if not folder.exists() and not settings.filled:
                write_images(folder, count)
            for step in settings.steps:
                command = [sys.executable, "-m", "benchmarks.image_sizes", "--measure"]
                run = subprocess.run(
                    [*command, step, str(folder), str(count), *["--filled"] * settings.filled],
                    stdout=subprocess.PIPE,
                    check=True,
                    env={**os.environ, "PYTHONWARNINGS": "ignore"},
                )
                found = json.loads(run.stdout.splitlines()[-1])
                exponent = ""
                if step in last:
                    n, seconds = last[step]
                    growth = math.log(found["processor"] / seconds) / math.log(count / n)
                    exponent = f"{growth:.2f}"
                last[step] = count, found["processor"]
                figures = (
                    f"{found['processor']:.1f} | {found['seconds']:.1f} | "
                    f"{found['MiB']:,.0f} | {found['total MiB']:,.0f}"
                )
                print(f"| {step} | {count:,} | {figures} | {exponent} |", flush=True)


if __name__ == "__main__":
    main()
