"""`ConvTower`: the network that turns an image into an embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import keras
from keras import layers
from typing_extensions import override

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.layers.blocks import (
    Block,
    ConvBlock,
    ResidualBlock,
    block_from_fields,
    block_to_fields,
)
from siamese_verify.layers.checks import check_dropout, check_l2
from siamese_verify.layers.fast.l2 import FastL2
from siamese_verify.layers.fast.spectral import Method, SpectralConv2D
from siamese_verify.layers.unit_length import UnitLength


@keras.saving.register_keras_serializable(package="siamese_verify")
class ConvTower(keras.Model):
    """Convolutional network from an image to its embedding: blocks, then one dense layer.

    Args:
        blocks: Blocks in order, each a `ConvBlock` or a `ResidualBlock`. A block can also be a
            dictionary of its fields, whose `"type"` is the name of its class (by default
            `"ConvBlock"`).
        input_shape: Height, width and channels of an image.
        embedding_size: Length of an embedding.
        activation: Activation of the dense layer, such as `"sigmoid"`, or None for none.
        l2: L2 penalty on the kernel of the dense layer, 0 for none.
        normalize: Whether embeddings are scaled to length 1.
        name: Name of the model.
        dtype: Precision of the layers, such as `"mixed_bfloat16"`. By default it is Keras's global
            policy.
        dropout: Share of the dense layer's inputs dropped in training, in [0, 1).

    Input shape:
        `(batch, height, width, channels)`, floats in [0, 1].

    Output shape:
        `(batch, embedding_size)`.

    Raises:
        ValueError: If an argument is out of range, or the images are too small for the blocks.

    Examples:
        >>> tower = ConvTower([ConvBlock(8, 3), ConvBlock(16, 3)], (32, 32, 1), embedding_size=64)
        >>> tower.output_shape
        (None, 64)
    """

    def __init__(
        self,
        blocks: Iterable[Block | dict[str, Any]],
        input_shape: tuple[int, int, int] = (105, 105, 1),
        embedding_size: int = 4096,
        activation: str | None = "sigmoid",
        l2: float = 0.0,
        normalize: bool = False,
        name: str = "conv_tower",
        dtype: str | None = None,
        *,
        dropout: float = 0.0,
    ):
        tower_blocks = [block_from_fields(b) if isinstance(b, dict) else b for b in blocks]
        embedding_size = whole_number("embedding_size", embedding_size)
        check_l2(l2)
        check_dropout(dropout)
        _check_size(tower_blocks, input_shape)
        dtype = keras.dtype_policies.get(dtype).name
        inputs = keras.Input(input_shape, name="image")
        x = inputs
        for index, block in enumerate(tower_blocks, start=1):
            x = block.apply(x, index, dtype)
        x = layers.Flatten("channels_last", dtype=dtype, name="flatten")(x)
        if dropout:
            x = layers.Dropout(dropout, dtype=dtype, name="dropout")(x)
        x = layers.Dense(
            embedding_size,
            activation=activation,
            kernel_regularizer=FastL2(l2) if l2 else None,
            dtype=dtype,
            name="embedding",
        )(x)
        if normalize:
            x = UnitLength(dtype=dtype, name="unit_length")(x)
        super().__init__(inputs, x, name=name)
        self._config = {
            "blocks": [block_to_fields(block) for block in tower_blocks],
            "input_shape": tuple(input_shape),
            "embedding_size": embedding_size,
            "activation": activation,
            "l2": l2,
            "normalize": normalize,
            "name": name,
            "dtype": dtype,
            "dropout": dropout,
        }

    @classmethod
    def koch2015(
        cls,
        batch_norm: bool = False,
        dropout: float = 0.0,
        l2: float = 0.001,
        input_shape: tuple[int, int, int] = (105, 105, 1),
        embedding_l2: float | None = None,
        method: Method = "auto",
    ) -> Self:
        """Make the network of Koch et al. (2015), with batch norm and dropout if asked for.

        Args:
            batch_norm: Whether batch norm follows each convolution.
            dropout: Share of the values dropped after each pooling.
            l2: L2 penalty on every kernel.
            input_shape: Height, width and channels of an image.
            embedding_l2: L2 penalty on the kernel of the dense layer. By default it is `l2`.
            method: Method of the convolutions, as for `ConvBlock`.

        Returns:
            A tower of 38,947,648 parameters for 105 x 105 grey images, or 38,949,952 (1,152 of
            them not trainable) with batch norm.

        Examples:
            >>> ConvTower.koch2015(batch_norm=True).count_params()
            38949952

        Reference:
            Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
            2015, section 3.1 and figure 4.
        """
        blocks = [
            ConvBlock(filters, kernel_size, 2, batch_norm, dropout, l2, method)
            for filters, kernel_size in ((64, 10), (128, 7), (128, 4))
        ]
        blocks.append(ConvBlock(256, 4, 1, batch_norm, l2=l2, method=method))
        embedding_l2 = l2 if embedding_l2 is None else embedding_l2
        return cls(blocks, input_shape, 4096, "sigmoid", embedding_l2, name="koch2015")

    @classmethod
    def residual(
        cls,
        input_shape: tuple[int, int, int] = (80, 80, 1),
        embedding_size: int = 128,
        filters: Sequence[int] = (64, 128, 256),
        dropout: float = 0.4,
        name: str = "residual",
    ) -> Self:
        """Make a small residual network: one convolution of stride 2, then residual blocks.

        Args:
            input_shape: Height, width and channels of an image.
            embedding_size: Length of an embedding.
            filters: Channels of each `ResidualBlock`, which halves height and width. The first
                convolution has as many channels as the first block.
            dropout: Share of the dense layer's inputs dropped in training.
            name: Name of the model.

        Returns:
            A tower of 2,051,328 parameters (2,816 of them not trainable) for 80 x 80 grey images.

        Raises:
            ValueError: If an argument is out of range.

        Examples:
            >>> ConvTower.residual().count_params()
            2051328

        Reference:
            He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016, section 3.3
            (the blocks; there are fewer here, for small images and a CPU).
        """
        if not filters:
            raise ValueError(f"`filters` must not be empty. Received: filters={filters}")
        blocks: list[Block] = [
            ConvBlock(filters[0], 5, 1, batch_norm=True, stride=2, padding="same"),
            *(ResidualBlock(n, stride=2) for n in filters),
        ]
        return cls(blocks, input_shape, embedding_size, None, name=name, dropout=dropout)

    @override
    def summary(
        self, *args: Any, print_fn: Callable[[str], None] | None = None, **kwargs: Any
    ) -> None:
        """Print Keras's summary and the method of each `SpectralConv2D`."""
        super().summary(*args, print_fn=print_fn, **kwargs)
        methods = [
            f"{layer.name} {'spectral' if layer.spectral else 'direct'}"
            for layer in self.layers
            if isinstance(layer, SpectralConv2D)
        ]
        if methods:
            (print_fn or print)(f" Convolutions: {', '.join(methods)}")

    @override
    def get_config(self) -> dict[str, Any]:
        frozen = [layer.name for layer in self.layers if not layer.trainable]
        return {**self._config, "frozen": frozen}

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        arguments = {name: value for name, value in config.items() if name != "frozen"}
        tower = cls(**arguments)
        for name in config.get("frozen", ()):
            tower.get_layer(name).trainable = False
        return tower


def _check_size(blocks: list[Block], input_shape: tuple[int, int, int]) -> None:
    if len(input_shape) != 3 or not all(map(is_whole_number, input_shape)):
        raise ValueError(
            "`input_shape` must be the height, width and channels of an image, at least 1 each. "
            f"Received: input_shape={input_shape}"
        )
    sizes = list(input_shape[:2])
    for index, block in enumerate(blocks, start=1):
        sizes = [block.output_size(size) for size in sizes]
        if min(sizes) < 1:
            raise ValueError(
                f"Images are too small: nothing is left of them after block {index}, {block}. "
                "Use larger images, or fewer or smaller blocks. "
                f"Received: input_shape={input_shape}"
            )
