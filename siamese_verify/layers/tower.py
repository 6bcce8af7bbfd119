"""The network that turns one image into an embedding."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Self

import keras
from keras import layers
from typing_extensions import override

from siamese_verify.layers.batch_norm import BatchNormalization
from siamese_verify.layers.spectral import Method, SpectralConv2D
from siamese_verify.layers.unit_length import UnitLength
from siamese_verify.regularizers import L2


@dataclasses.dataclass(frozen=True)
class ConvBlock:
    """One block of a `ConvTower`: convolution, batch norm, max pooling, dropout, in this order.

    The convolution is "valid", of stride 1, and ReLU follows it.

    Args:
        filters: Channels of the output.
        kernel_size: Height and width of the kernel.
        pool_size: Factor by which max pooling reduces height and width; 1 for none.
        batch_norm: Whether batch norm follows the ReLU.
        dropout: Share of the values dropped in training, in [0, 1); 0 for none.
        l2: L2 penalty on the kernel; 0 for none.
        method: How the convolution is computed, `"direct"` or `"spectral"`; by default as costs
            less. See `SpectralConv2D`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> ConvBlock(64, kernel_size=10).pool_size
        2
    """

    filters: int
    kernel_size: int
    pool_size: int = 2
    batch_norm: bool = False
    dropout: float = 0.0
    l2: float = 0.0
    method: Method = "auto"

    def __post_init__(self) -> None:
        for name in ("filters", "kernel_size", "pool_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}"
                )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={self.dropout}")
        if not self.l2 >= 0:  # written so that NaN fails
            raise ValueError(f"`l2` must be at least 0. Received: l2={self.l2}")

    def apply(self, x: Any, index: int, dtype: str) -> Any:
        """Adds the block's layers to the symbolic tensor `x`, named by the block's `index`."""
        x = SpectralConv2D(
            self.filters,
            self.kernel_size,
            method=self.method,
            activation="relu",
            kernel_regularizer=_l2(self.l2),
            dtype=dtype,
            name=f"conv_{index}",
        )(x)
        if self.batch_norm:
            x = BatchNormalization(dtype=dtype, name=f"batch_norm_{index}")(x)
        if self.pool_size > 1:
            x = layers.MaxPooling2D(self.pool_size, dtype=dtype, name=f"max_pool_{index}")(x)
        if self.dropout:
            x = layers.Dropout(self.dropout, dtype=dtype, name=f"dropout_{index}")(x)
        return x


@keras.saving.register_keras_serializable(package="siamese_verify")
class ConvTower(keras.Model):
    """Convolutional blocks, then one dense layer: from an image to its embedding.

    Args:
        blocks: The blocks, in order; each a `ConvBlock`, or its fields as a dictionary.
        input_shape: Height, width and channels of an image.
        embedding_size: Length of an embedding.
        activation: Of the dense layer, such as `"sigmoid"`; None for none.
        l2: L2 penalty on the kernel of the dense layer; 0 for none.
        normalize: Whether embeddings are scaled to length 1.
        name: Of the model.
        dtype: Of the layers, such as `"mixed_bfloat16"`; by default Keras's global policy.

    Input shape:
        `(batch, height, width, channels)`, floats in [0, 1].

    Output shape:
        `(batch, embedding_size)`.

    Raises:
        ValueError: If an argument is out of range, or the images are too small for the blocks.

    Example:
        >>> tower = ConvTower([ConvBlock(8, 3), ConvBlock(16, 3)], (32, 32, 1), embedding_size=64)
        >>> tower.output_shape
        (None, 64)
    """

    def __init__(
        self,
        blocks: Iterable[ConvBlock | dict[str, Any]],
        input_shape: tuple[int, int, int] = (105, 105, 1),
        embedding_size: int = 4096,
        activation: str | None = "sigmoid",
        l2: float = 0.0,
        normalize: bool = False,
        name: str = "conv_tower",
        dtype: str | None = None,
    ):
        conv_blocks = [ConvBlock(**b) if isinstance(b, dict) else b for b in blocks]
        if embedding_size < 1:
            raise ValueError(
                f"`embedding_size` must be at least 1. Received: embedding_size={embedding_size}"
            )
        if not l2 >= 0:
            raise ValueError(f"`l2` must be at least 0. Received: l2={l2}")
        _check_size(conv_blocks, input_shape)
        dtype = dtype or keras.config.dtype_policy().name
        inputs = keras.Input(input_shape, name="image")
        x = inputs
        for index, block in enumerate(conv_blocks, start=1):
            x = block.apply(x, index, dtype)
        x = layers.Flatten(dtype=dtype, name="flatten")(x)
        x = layers.Dense(
            embedding_size,
            activation=activation,
            kernel_regularizer=_l2(l2),
            dtype=dtype,
            name="embedding",
        )(x)
        if normalize:
            x = UnitLength(dtype=dtype, name="unit_length")(x)
        super().__init__(inputs, x, name=name)
        self._config = {
            "blocks": [dataclasses.asdict(block) for block in conv_blocks],
            "input_shape": tuple(input_shape),
            "embedding_size": embedding_size,
            "activation": activation,
            "l2": l2,
            "normalize": normalize,
            "name": name,
            "dtype": dtype,
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
        """The network of Koch et al. 2015, as the report on LFW uses it.

        Args:
            batch_norm: Whether batch norm follows each convolution.
            dropout: Share of the values dropped after each pooling.
            l2: L2 penalty on every kernel.
            input_shape: Height, width and channels of an image.
            embedding_l2: L2 penalty on the kernel of the dense layer; by default `l2`. The losses
                that the report gives can only be reached without a penalty there.
            method: How convolutions are computed; see `ConvBlock`.

        Returns:
            A tower of 38,947,648 parameters for 105 x 105 grey images, or 38,949,952 (1,152 of
            them not trainable) with batch norm.

        Example:
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

    @override
    def summary(
        self, *args: Any, print_fn: Callable[[str], None] | None = None, **kwargs: Any
    ) -> None:
        """Keras's own, and how each convolution is computed."""
        super().summary(*args, print_fn=print_fn, **kwargs)
        methods = [
            f"{layer.name} {'spectral' if layer.spectral else 'direct'}"
            for layer in self.layers
            if isinstance(layer, SpectralConv2D)
        ]
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


def _l2(penalty: float) -> L2 | None:
    return L2(penalty) if penalty else None


def _check_size(blocks: list[ConvBlock], input_shape: tuple[int, int, int]) -> None:
    sizes = list(input_shape[:2])
    for index, block in enumerate(blocks, start=1):
        sizes = [(size - block.kernel_size + 1) // block.pool_size for size in sizes]
        if min(sizes) < 1:
            raise ValueError(
                f"Images are too small: nothing is left of them after block {index}, {block}. "
                f"Received: input_shape={input_shape}"
            )
