"""`ConvBlock` and `ResidualBlock`, the parts of a `ConvTower`."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

from keras import layers

from siamese_verify.checks import whole_number
from siamese_verify.layers.checks import check_dropout, check_l2
from siamese_verify.layers.fast.batch_norm import FastBatchNormalization
from siamese_verify.layers.fast.l2 import FastL2
from siamese_verify.layers.fast.spectral import METHODS, Method, SpectralConv2D
from siamese_verify.layers.pooling import EdgeAveragePooling2D

Padding = Literal["valid", "same"]


@dataclasses.dataclass(frozen=True)
class ConvBlock:
    """Block of a `ConvTower`: convolution, ReLU, batch norm, max pooling, dropout, in this order.

    Args:
        filters: Channels of the output.
        kernel_size: Height and width of the kernel.
        pool_size: Factor by which max pooling reduces height and width, 1 for none.
        batch_norm: Whether batch norm follows the ReLU.
        dropout: Share of the values dropped in training, in [0, 1).
        l2: L2 penalty on the kernel, 0 for none.
        method: Method of the convolution, `"direct"` or `"spectral"`, or `"auto"` for the cheaper
            of the two. See `SpectralConv2D`.
        stride: Stride of the convolution. A stride above 1 is computed directly.
        padding: Padding of the convolution: `"valid"` for none, or `"same"`.

    Raises:
        ValueError: If an argument is out of range, or `method` is spectral with a stride above 1.

    Examples:
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
    stride: int = 1
    padding: Padding = "valid"

    def __post_init__(self) -> None:
        _check_counts(self, "filters", "kernel_size", "pool_size", "stride")
        check_dropout(self.dropout)
        check_l2(self.l2)
        if self.method not in METHODS:
            raise ValueError(f"`method` must be one of {METHODS}. Received: method={self.method!r}")
        if self.stride > 1 and self.method not in ("auto", "direct"):
            raise ValueError(
                "A convolution with a stride above 1 cannot be spectral. Set `method` to 'auto' "
                "or 'direct'. "
                f"Received: method={self.method!r}, stride={self.stride}"
            )
        if self.padding not in ("valid", "same"):
            raise ValueError(
                f"`padding` must be 'valid' or 'same'. Received: padding={self.padding!r}"
            )

    def output_size(self, size: int) -> int:
        """Return the height (or width) of the output for a height (or width) of the input.

        The result is below 1 where nothing is left of the image.

        Examples:
            >>> ConvBlock(64, kernel_size=10).output_size(105)
            48
        """
        kernel_size = 1 if self.padding == "same" else self.kernel_size
        return ((size - kernel_size) // self.stride + 1) // self.pool_size

    def apply(self, x: Any, index: int, dtype: str) -> Any:
        """Add the block's layers to the symbolic tensor `x`, named by the block's `index`."""
        arguments = {
            "padding": self.padding,
            "activation": "relu",
            "kernel_regularizer": FastL2(self.l2) if self.l2 else None,
            "data_format": "channels_last",  # whatever Keras's default
            "dtype": dtype,
            "name": f"conv_{index}",
        }
        if self.stride == 1:
            conv = SpectralConv2D(self.filters, self.kernel_size, method=self.method, **arguments)
        else:
            conv = layers.Conv2D(self.filters, self.kernel_size, self.stride, **arguments)
        x = conv(x)
        if self.batch_norm:
            x = FastBatchNormalization(dtype=dtype, name=f"batch_norm_{index}")(x)
        if self.pool_size > 1:
            x = layers.MaxPooling2D(
                self.pool_size,
                data_format="channels_last",
                dtype=dtype,
                name=f"max_pool_{index}",
            )(x)
        if self.dropout:
            x = layers.Dropout(self.dropout, dtype=dtype, name=f"dropout_{index}")(x)
        return x


@dataclasses.dataclass(frozen=True)
class ResidualBlock:
    """Block of a `ConvTower`: two 3 x 3 convolutions, whose result is added to their input.

    Batch norm follows each convolution. ReLU follows the first convolution and the sum. Where the
    block changes the shape, the input passes average pooling, a 1 x 1 convolution and batch norm
    before it is added. Thanks to the pooling, a stride skips no pixel.

    Args:
        filters: Channels of the output.
        stride: Factor by which the block reduces height and width, rounded up.
        dropout: Share of the values dropped in training, in [0, 1).

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> tower = ConvTower([ResidualBlock(8, stride=2)], (16, 16, 1), embedding_size=32)
        >>> tower.get_layer("block_1_add").output.shape
        (None, 8, 8, 8)

    Reference:
        He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016, section 3.3 and
        figure 2 (option B); He, Zhang, Zhang, Zhang, Xie, Li, "Bag of Tricks for Image
        Classification with Convolutional Neural Networks", 2019, section 4.2 (ResNet-D: average
        pooling).
    """

    filters: int
    stride: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _check_counts(self, "filters", "stride")
        check_dropout(self.dropout)

    def output_size(self, size: int) -> int:
        """Return the height (or width) of the output for a height (or width) of the input.

        Examples:
            >>> ResidualBlock(64, stride=2).output_size(105)
            53
        """
        return (size - 1) // self.stride + 1

    def apply(self, x: Any, index: int, dtype: str) -> Any:
        """Add the block's layers to the symbolic tensor `x`, named by the block's `index`."""

        def name(layer: str) -> str:
            return f"block_{index}_{layer}"

        def conv(x: Any, part: str, kernel_size: int, stride: int = 1) -> Any:
            x = layers.Conv2D(
                self.filters,
                kernel_size,
                stride,
                padding="same",
                data_format="channels_last",
                use_bias=False,
                kernel_initializer="he_normal",
                dtype=dtype,
                name=name(f"conv_{part}"),
            )(x)
            return FastBatchNormalization(dtype=dtype, name=name(f"batch_norm_{part}"))(x)

        shortcut = x
        if self.stride > 1:
            shortcut = EdgeAveragePooling2D(self.stride, dtype=dtype, name=name("pool_shortcut"))(
                shortcut
            )
        if self.stride > 1 or x.shape[-1] != self.filters:
            shortcut = conv(shortcut, "shortcut", 1)
        x = conv(x, "1", 3, self.stride)
        x = layers.ReLU(dtype=dtype, name=name("relu_1"))(x)
        x = conv(x, "2", 3)
        x = layers.Add(dtype=dtype, name=name("add"))([x, shortcut])
        x = layers.ReLU(dtype=dtype, name=name("relu_2"))(x)
        if self.dropout:
            x = layers.Dropout(self.dropout, dtype=dtype, name=name("dropout"))(x)
        return x


Block: TypeAlias = ConvBlock | ResidualBlock
_TYPES: dict[str, type[Block]] = {"ConvBlock": ConvBlock, "ResidualBlock": ResidualBlock}


def block_to_fields(block: Block) -> dict[str, Any]:
    """Return the fields of a block and its `type`."""
    return {"type": type(block).__name__, **dataclasses.asdict(block)}


def block_from_fields(fields: dict[str, Any]) -> Block:
    """Return the block of these fields.

    Without `type`, as in files of earlier versions, it is a `ConvBlock`.

    Raises:
        ValueError: If `type` names no block.
    """
    name = fields.get("type", "ConvBlock")
    if name not in _TYPES:
        raise ValueError(f"A block's type must be one of {list(_TYPES)}. Received: type={name!r}")
    return _TYPES[name](**{key: value for key, value in fields.items() if key != "type"})


def _check_counts(block: Block, *names: str) -> None:
    for name in names:
        object.__setattr__(block, name, whole_number(name, getattr(block, name)))
