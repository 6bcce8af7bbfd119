"""The two embeddings that a head scores, and the weights that it scores them with."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from siamese_verify.tensors import Tensor

Shape = tuple[int | None, ...]


class Head(keras.layers.Layer):
    """Base class of heads that see embeddings as they are, whatever the head's precision.

    Under a policy such as `"mixed_bfloat16"`, Keras would round embeddings in float32 first.
    """

    def __init__(self, **kwargs: Any):
        # Files of earlier versions hold the argument too.
        super().__init__(**{**kwargs, "autocast": False})


def two_embeddings(head: keras.layers.Layer, inputs: Any) -> tuple[Tensor, Tensor]:
    """Return the left and right embeddings in the head's precision, and float32 at least.

    Raises:
        ValueError: If the inputs are not two embeddings of one known size. Sizes of 8 and 1 would
            broadcast without an error.
    """
    several = isinstance(inputs, (tuple, list))
    embedding_size(head, [x.shape for x in inputs] if several else inputs.shape)
    dtype = keras.backend.result_type(head.compute_dtype, "float32")
    left, right = (ops.cast(x, dtype) for x in inputs)
    return left, right


def embedding_size(head: keras.layers.Layer, shapes: Any) -> int:
    """Return the size of the two embeddings of these shapes.

    Raises:
        ValueError: If these are not two shapes that end in one known size.
    """
    two = len(shapes) == 2 and all(not isinstance(shape, (int, type(None))) for shape in shapes)
    if not two or shapes[0][-1] != shapes[1][-1]:
        raise ValueError(
            f"{type(head).__name__} needs two embeddings of the same size, the left and the right "
            f"of a pair. Call it with a tuple of both. Received: shapes {shapes}"
        )
    size = shapes[0][-1]
    if size is None:
        raise ValueError(
            f"{type(head).__name__} needs embeddings of a known size. Let the tower end in a layer "
            f"with a fixed number of outputs. Received: shapes {shapes}"
        )
    return int(size)


def add_weight(head: keras.layers.Layer, **options: Any) -> keras.Variable:
    """Add a weight that is float32 at least, as the embeddings are, whatever the precision."""
    dtype = keras.backend.result_type(head.variable_dtype, "float32")
    return head.add_weight(dtype=dtype, autocast=False, **options)
