"""Averages over training: moving averages of weights, and the statistics of batch norm."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras
from keras import ops

from siamese_verify.messages import shown
from siamese_verify.tensors import Tensor


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Exchange the weights of a model in training for their moving averages, within a block.

    Averages are less noisy than the weights of the last step. `fit` itself ends with them. The
    optimizer keeps them if it has `use_ema=True`. With any other optimizer, nothing changes.

    Args:
        model: A compiled model, some steps into its training.

    Examples:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.Adam(0.1, use_ema=True), loss="mse")
        >>> inputs, labels = np.ones((4, 2)), np.zeros(4)
        >>> model.train_on_batch(inputs, labels) > 0
        True
        >>> with averaged_weights(model):
        ...     loss = model.evaluate(inputs, labels, verbose=0)

    Raises:
        ValueError: If the model is not compiled, or has not made a step yet.

    Reference:
        Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """
    kept = swap_in_averages(model)
    try:
        yield
    finally:
        restore_weights(model, kept)


def swap_in_averages(model: keras.Model) -> list[Tensor]:
    """Give a model the moving averages of its weights, and return the former weights."""
    optimizer = unwrapped_optimizer(model)
    if optimizer is None or (optimizer.use_ema and not _has_stepped(optimizer)):
        raise ValueError(
            "averaged_weights needs a compiled model, some steps into its training. "
            f"Received: {shown(repr(model.name))}, "
            f"{'not compiled' if optimizer is None else 'no step made'}"
        )
    if not optimizer.use_ema:
        return []
    # The optimizer's list, since the model's list lacks weights that were frozen since.
    variables = optimizer._trainable_variables
    kept = [ops.copy(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)
    for variable in variables:
        # JAX may delete an array with which it computes, which must not be the optimizer's own.
        variable.assign(ops.copy(variable))
    return kept


def restore_weights(model: keras.Model, kept: list[Tensor]) -> None:
    """Give a model the weights that `swap_in_averages` returned."""
    if kept:
        for variable, value in zip(
            unwrapped_optimizer(model)._trainable_variables, kept, strict=True
        ):
            variable.assign(value)


def _has_stepped(optimizer: keras.optimizers.Optimizer) -> bool:
    # The optimizer of a loaded model is built before its first step, and its averages are zeros.
    return bool(optimizer.built) and int(optimizer.iterations) > 0


def recompute_batch_norm(model: keras.Model, batches: Iterable[Any]) -> None:
    """Set the averages of batch norm to the statistics of given batches, with the current weights.

    In training, each step moves the averages by a small share. So they lag behind the weights,
    most of all in a short run and with averaged weights. Dropout is switched off meanwhile, since
    it changes the variance of a layer's inputs.

    Args:
        model: The model or the tower. Frozen batch norms keep their averages.
        batches: Batches as for `fit`, such as `pairs.batches(128, shuffle=True)`, or arrays of
            images. Labels are ignored. For a tower, pairs count as two images each. Shuffle them,
            so that each batch resembles the batches of the training.

    Raises:
        ValueError: If there are no batches.

    Examples:
        >>> train = PairDataset.from_lfw(
        ...     "lfw/pairsDevTrain.txt", "lfw/lfw2", (16, 16), verbose=False
        ... )
        >>> tower = ConvTower([ConvBlock(8, 3, batch_norm=True)], (16, 16, 1), embedding_size=32)
        >>> recompute_batch_norm(tower, train.batches(8, shuffle=True))

    Reference:
        Wu, Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3 (PreciseBN); Li, Chen, Hu,
        Yang, "Understanding the disharmony between dropout and batch normalization by variance
        shift", 2019.
    """
    layers = model._flatten_layers()
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    dropouts = [layer for layer in layers if isinstance(layer, _DROPOUTS)]
    seen = 0
    with _restored(norms, "momentum"), _restored(dropouts, "rate"):
        for layer in dropouts:
            layer.rate = 0.0
        for batch in batches:
            inputs = _inputs(model, batch)
            count = keras.tree.flatten(inputs)[0].shape[0]
            seen += count
            for norm in norms:
                norm.momentum = 1 - count / seen
            model(inputs, training=True)
    if not seen:
        raise ValueError(
            "Batch norm's averages cannot be computed from nothing. Pass batches of images. "
            f"Received: batches={shown(repr(batches))}, which is empty"
        )


_DROPOUTS = (keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout)


def _inputs(model: keras.Model, batch: Any) -> Any:
    """Return a batch's inputs, for a model with one input the images of both sides of pairs."""
    inputs, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
    one_input = hasattr(model, "input_shape") and not isinstance(model.input_shape, list)
    if isinstance(inputs, (list, tuple)) and one_input:
        return ops.concatenate(inputs)
    return inputs


@contextlib.contextmanager
def _restored(layers: list[keras.layers.Layer], name: str) -> Iterator[None]:
    """Bring an attribute of layers back to its values at the end of a block."""
    values = [getattr(layer, name) for layer in layers]
    try:
        yield
    finally:
        for layer, value in zip(layers, values, strict=True):
            setattr(layer, name, value)


def unwrapped_optimizer(model: keras.Model) -> Any:
    """Return the model's optimizer, which Keras wraps under the policy mixed_float16."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)
