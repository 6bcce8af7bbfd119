"""Which replica of a `tf.distribute` strategy runs. Other backends have one."""

from __future__ import annotations

from typing import Any

import keras

from siamese_verify.lazy_tensorflow import tf


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
