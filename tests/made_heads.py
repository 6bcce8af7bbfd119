"""Heads with weights as training leaves them, their scores, and their formulas in NumPy."""

import numpy as np
from keras import ops

from siamese_verify import CosineHead, EuclideanHead, SigmoidCosineHead, WeightedL1Head

HEADS = [WeightedL1Head, EuclideanHead, CosineHead, SigmoidCosineHead]


def embeddings(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def scores(head, left, right):
    return ops.convert_to_numpy(head((left, right)))


def made(head_class, size=8):
    """A head with weights as training leaves them. The kernel's signs do not matter."""
    head = head_class()
    head.build(((None, size), (None, size)))
    if isinstance(head, SigmoidCosineHead):
        head.set_weights([np.log(3.0), np.array(-0.7)])
    elif head.weights:
        rng = np.random.default_rng(1)
        kernel = rng.uniform(0.01, 0.1, (size, 1)) * rng.choice([-1, 1], (size, 1))
        head.set_weights((kernel, np.array([0.7])))
    return head


def expected(head, left, right):
    """The formulas, in NumPy and double precision."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    if isinstance(head, WeightedL1Head):
        kernel, bias = (ops.convert_to_numpy(w).astype(np.float64) for w in head.weights)
        kernel = kernel if head.unconstrained else -np.abs(kernel)
        return 1 / (1 + np.exp(-(np.abs(left - right) @ kernel + bias)))
    if isinstance(head, EuclideanHead):
        return -np.linalg.norm(left - right, axis=-1, keepdims=True)
    lengths = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    cosine = (np.sum(left * right, axis=-1) / lengths)[..., None]
    if isinstance(head, SigmoidCosineHead):
        log_scale, bias = (ops.convert_to_numpy(w).astype(np.float64) for w in head.weights)
        return 1 / (1 + np.exp(-(np.exp(log_scale) * cosine + bias)))
    assert isinstance(head, CosineHead), f"no formula for {head}"
    return cosine
