"""Kinds of score that heads return, and the losses that fit them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import keras

# Values of a head's attribute `score_kind`. A head without the attribute fits any loss.
ScoreKind: TypeAlias = Literal["probability", "negative distance", "cosine"]
# Kinds of score that fit a loss, by the kind of prediction that the loss needs.
_FITTING_KINDS = {
    "a probability": ("probability",),
    "a negative distance": ("negative distance",),
    "a logit": (),
    "an output for each class or an embedding": (),
}
_NEEDS_OF_KERAS = (
    (keras.losses.binary_crossentropy, "a probability"),
    (keras.losses.binary_focal_crossentropy, "a probability"),
    (keras.losses.categorical_crossentropy, "an output for each class or an embedding"),
    (keras.losses.categorical_focal_crossentropy, "an output for each class or an embedding"),
    (keras.losses.categorical_hinge, "an output for each class or an embedding"),
    (keras.losses.sparse_categorical_crossentropy, "an output for each class or an embedding"),
)
_PAIRS_THAT_FIT = (
    'WeightedL1Head or SigmoidCosineHead with "binary_crossentropy", or EuclideanHead with '
    "ContrastiveLoss(). CosineHead fits no loss on pairs: train its tower with MarginSoftmaxLoss "
    "or SupervisedContrastiveLoss, or use SigmoidCosineHead"
)


def check_loss_fits(head: keras.layers.Layer, loss: Any) -> None:
    """Raise a `ValueError` if a head and a loss contradict each other.

    Args:
        head: Head, with its attribute `score_kind`. Without it, or with None, any loss fits.
        loss: Loss as for `compile`: a name, a function, a `keras.losses.Loss`, None, or a list or
            dict of these. A loss that is not known here fits any head.

    Raises:
        ValueError: If the head returns another kind of score than the loss needs.
    """
    kind = getattr(head, "score_kind", None)
    if kind is None:
        return
    for one in keras.tree.flatten(loss):
        needs = _needs(one)
        if needs in _FITTING_KINDS and kind not in _FITTING_KINDS[needs]:
            name = one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__)
            raise ValueError(
                f"{type(head).__name__} and the loss {name} contradict each other: the head "
                f"returns a {kind}, the loss needs {needs}. Training would run without an error, "
                f"and learn nothing or the reverse. These fit: {_PAIRS_THAT_FIT}. "
                f"Received: loss={name}"
            )


def _needs(loss: Any) -> str | None:
    """Return the score that a loss needs, or None where that is not known."""
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:  # Keras raises its own error for an unknown name.
            return None
    needs = getattr(loss, "score_needed", None)
    # A loss class of Keras wraps its function.
    function = getattr(loss, "fn", loss)
    needs = next((n for known, n in _NEEDS_OF_KERAS if known is function), needs)
    return "a logit" if needs == "a probability" and getattr(loss, "from_logits", False) else needs
