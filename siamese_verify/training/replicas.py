"""Replicas of a `tf.distribute` strategy, and what they see of each other. Other backends have one.

On JAX, `keras.distribution.DataParallel` splits each array over the devices, and every operation
sees the whole batch. On TensorFlow, each replica runs on its part of the batch.
"""

from __future__ import annotations

from typing import Any

import keras

from siamese_verify.lazy_tensorflow import tf
from siamese_verify.tensors import Tensor


def replica_count() -> int:
    """Return the number of replicas of the strategy in scope, 1 without a strategy."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def replica_index() -> Any:
    """Index of the replica that runs, an integer or a tensor, or None outside of replicas."""
    if keras.backend.backend() != "tensorflow":
        return None
    context = tf.distribute.get_replica_context()
    # Without a strategy, TensorFlow tells of a single replica.
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context.replica_id_in_sync_group


def gathered(rows: Tensor) -> tuple[Tensor, Tensor | int]:
    """Return the rows of all replicas, with gradients, and the place of this replica's first row.

    Args:
        rows: Tensor `(n, ...)`. The number of rows may differ between replicas.
    """
    index = replica_index()
    if index is None:
        return rows, 0
    context = tf.distribute.get_replica_context()
    counts = context.all_gather(tf.shape(rows)[:1], axis=0)
    return context.all_gather(rows, axis=0), tf.reduce_sum(counts[:index])
