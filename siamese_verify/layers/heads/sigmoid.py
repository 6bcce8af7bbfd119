"""A sigmoid that rounds no pair above an embedding compared with itself."""

from __future__ import annotations

from keras import ops

from siamese_verify.tensors import Tensor


def bounded_sigmoid(logits: Tensor, highest: Tensor, training: bool | None) -> Tensor:
    """Return the sigmoid of logits, at most the sigmoid of `highest` outside of training.

    TensorFlow's sigmoid errs by some units in the last place, so that a lower logit can come out
    higher. In training nothing is bounded: a loss may look for the sigmoid to use its logits.

    Args:
        logits: Logits of any shape, none above `highest`.
        highest: Logit of an embedding compared with itself.
        training: Whether the head is in training.
    """
    scores = ops.sigmoid(logits)
    if training:
        return scores
    best = ops.sigmoid(highest)
    # The best score is computed once, because a vectorised sigmoid may round it differently.
    return ops.where(logits >= highest, best, ops.minimum(scores, best))
