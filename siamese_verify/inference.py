"""Inference with a tower, batch by batch, also from several threads."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.backends import without_gradients
from siamese_verify.batch_sizes import compiles_each_size, padded
from siamese_verify.data.preprocessing import scale

Runner = Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]
# Number of image shapes whose programs are kept on JAX, for a tower of images of any size.
_KEPT_SHAPES = 8


class TowerRunner:
    """Function from images to embeddings, safe to call from threads.

    Args:
        tower: Built Keras model.

    Attributes:
        tower: The same model.
    """

    def __init__(self, tower: keras.Model):
        self.tower, model = tower, in_inference(tower)
        self._compiles = compiles_each_size(model)
        make_runner = _RUNNERS.get(keras.backend.backend())
        self._run: Runner = make_runner(model) if make_runner else model.predict_on_batch

    def __call__(self, images: Any, batch_size: int) -> npt.NDArray[np.float32]:
        """Embed images `(n, height, width, channels)`, at least one, in batches.

        Images may be an array or `StoredImages`, of which one batch at a time is read.
        """
        batches = (images[i : i + batch_size] for i in range(0, len(images), batch_size))
        embeddings = [self._embed(scale(batch), batch_size) for batch in batches]
        return np.concatenate(embeddings).astype(np.float32)

    def _embed(self, batch: npt.NDArray[np.float32], batch_size: int) -> npt.NDArray[Any]:
        if not self._compiles:
            return self._run(batch)
        return self._run(padded(batch, batch_size))[: len(batch)]


def in_inference(tower: keras.Model) -> keras.Model:
    """Return a model of the tower that hands `training=False` on to every layer.

    A tower of a user's own class may lack the argument `training`. Layers in it, such as
    `RandomFlip`, would then be in training, which is their default.
    """
    knows = "training" in inspect.signature(tower.call).parameters
    return tower if knows else keras.Sequential([tower])


def check_shape(images: Any, expected: Sequence[int | None]) -> None:
    """Raise a `ValueError` unless each image has the expected shape. None fits any size."""
    if len(images.shape) != 1 + len(expected) or any(
        size not in (None, given) for size, given in zip(expected, images.shape[1:], strict=True)
    ):
        raise ValueError(
            f"`images` must have the shape (n, {', '.join(map(str, expected))}). "
            f"Received: images of shape {images.shape}"
        )


def _jax_runner(tower: keras.Model) -> Runner:
    """Make a twin of `tower.predict_on_batch` that leaves the weights where they are.

    On JAX, Keras's own method donates the weights to the computation and puts new arrays in their
    place. Another thread would find them deleted.
    """
    import jax

    @functools.lru_cache(_KEPT_SHAPES)
    def program(image_shape: tuple[int, ...]) -> Callable[..., Any]:
        # JAX keeps what it has compiled for as long as this function exists.
        def embed(state: Any, images: Any) -> Any:
            return tower.predict_step(state, (images,))[0]

        return jax.jit(embed) if tower.jit_compile and not tower.run_eagerly else embed

    def run(images: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        if not tower.built:
            tower.build((None, *images.shape[1:]))
        weights = tower.trainable_variables, tower.non_trainable_variables
        state = tuple([variable.value for variable in part] for part in weights)
        return np.asarray(program(images.shape[1:])(state, images))

    return run


def _torch_runner(tower: keras.Model) -> Runner:
    """Make a twin of `tower.predict_on_batch` that computes where the weights are.

    On torch, Keras's own method moves the images to the default device.
    """

    def run(images: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        device = str(tower.weights[0].value.device) if tower.weights else None
        with keras.device(device) if device else contextlib.nullcontext(), without_gradients():
            embeddings: npt.NDArray[Any] = keras.ops.convert_to_numpy(tower(images, training=False))
        return embeddings

    return run


_RUNNERS = {"jax": _jax_runner, "torch": _torch_runner}
