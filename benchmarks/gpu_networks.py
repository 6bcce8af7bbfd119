"""Networks that `gpu.py` measures: their sizes, and both versions in Keras."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

import siamese_verify as sv

CROPS = (1.0, 2 / 3, 0.5)
LEARNING_RATE = 1e-5


class Network(NamedTuple):
    """Sizes of a network. It is the recipes' `multi-crop` tower if it has `filters`.

    Attributes:
        image: Height and width of an image.
        embedding: Length of an embedding, in `multi-crop` of each of its three towers.
        blocks: Filters and kernel size of the plain convolutions. Pooling follows all but the last.
        filters: Channels of the residual blocks.
        crop: Height and width to which a crop is resized.
        l2: L2 penalty on every kernel of a plain network.
        dropout: Share of the dense layer's inputs dropped in a residual network.
    """

    image: int
    embedding: int
    blocks: tuple[tuple[int, int], ...] = ()
    filters: tuple[int, ...] = ()
    crop: int = 0
    l2: float = 0.001
    dropout: float = 0.4


KOCH_BLOCKS = ((64, 10), (128, 7), (128, 4), (256, 4))
NETWORKS = {
    "koch2015": Network(105, 4096, KOCH_BLOCKS),
    "multi-crop": Network(128, 96, filters=(40, 80, 160), crop=64),
}
SMALL = {
    "koch2015": Network(32, 16, ((4, 5), (4, 3), (4, 3), (4, 2))),
    "multi-crop": Network(24, 8, filters=(4,), crop=12),
}


def kernel(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw the kernel of a layer in Keras's layout. The same name draws the same kernel."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    deviation = np.sqrt(2 / np.prod(shape[:-1]))
    return (deviation * rng.standard_normal(shape)).astype(np.float32)


def draw_kernels(parts: list[Any], prefix: str = "") -> None:
    """Give each kernel in Keras layers and models the values that `kernel` draws for its name."""
    for layer in parts:
        if isinstance(layer, keras.Model):
            draw_kernels(layer.layers, f"{layer.name}/")
        elif hasattr(layer, "kernel") and layer.name != "scale":
            layer.kernel.assign(kernel(prefix + layer.name, layer.kernel.shape))


def compiled(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> keras.Model:
    model.compile(optimizer, "binary_crossentropy")
    return model


def library(network: Network) -> keras.Model:
    """Build the network with this library."""
    shape = (network.image, network.image, 1)
    head: keras.layers.Layer
    if network.filters:
        size = (network.crop, network.crop, 1)
        towers = [
            sv.ConvTower.residual(size, network.embedding, network.filters, network.dropout, name)
            for name in tower_names()
        ]
        tower = sv.MultiCropTower(towers, CROPS, shape[:2])
        head = sv.SigmoidCosineHead()
    else:
        *first, last = network.blocks
        blocks = [sv.ConvBlock(*block, 2, l2=network.l2) for block in first]
        blocks.append(sv.ConvBlock(*last, 1, l2=network.l2))
        tower = sv.ConvTower(blocks, shape, network.embedding, l2=network.l2, name="tower")
        head = sv.WeightedL1Head(network.l2, unconstrained=True, name="head")
    model = sv.SiameseModel(tower, head)
    draw_kernels([model.tower, model.head])
    return compiled(model, sv.FusedAdam(LEARNING_RATE))


def tower_names() -> list[str]:
    return [f"residual_{round(100 * share)}" for share in CROPS]


def keras_by_hand(network: Network) -> keras.Model:
    """Build the network with Keras's own layers, and two calls of the tower."""
    shape = (network.image, network.image, 1)
    build, head = (multi_crop, cosine) if network.filters else (plain, weighted_l1)
    images = keras.Input(shape, dtype="uint8")
    tower = keras.Model(images, build(layers.Rescaling(1 / 255)(images), network), name="tower")
    sides = keras.Input(shape, dtype="uint8"), keras.Input(shape, dtype="uint8")
    model = keras.Model(sides, head(*map(tower, sides), network))
    draw_kernels(model.layers)
    return compiled(model, keras.optimizers.Adam(LEARNING_RATE))


def plain(x: Any, network: Network) -> Any:
    l2 = keras.regularizers.L2(network.l2)
    for index, (filters, size) in enumerate(network.blocks, start=1):
        conv = layers.Conv2D(
            filters, size, activation="relu", kernel_regularizer=l2, name=f"conv_{index}"
        )
        x = conv(x)
        if index < len(network.blocks):
            x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    return layers.Dense(network.embedding, "sigmoid", kernel_regularizer=l2, name="embedding")(x)


def weighted_l1(left: Any, right: Any, network: Network) -> Any:
    l2 = keras.regularizers.L2(network.l2)
    head = layers.Dense(1, "sigmoid", kernel_regularizer=l2, dtype="float32", name="head")
    return head(ops.abs(left - right))


def multi_crop(images: Any, network: Network) -> Any:
    parts = []
    for name, share in zip(tower_names(), CROPS, strict=True):
        kept = round(share * network.image)
        start = (network.image - kept) // 2
        seen = images[:, start : start + kept, start : start + kept]
        seen = ops.image.resize(seen, (network.crop, network.crop))
        inputs = keras.Input(seen.shape[1:])
        tower = keras.Model(inputs, residual(inputs, network), name=name)
        parts.append(layers.UnitNormalization(dtype="float32")(tower(seen)))
    return layers.Concatenate(dtype="float32")(parts)


def residual(x: Any, network: Network) -> Any:
    stem = layers.Conv2D(network.filters[0], 5, 2, padding="same", activation="relu", name="conv_1")
    x = layers.BatchNormalization()(stem(x))
    for index, filters in enumerate(network.filters, start=2):
        shortcut = layers.AveragePooling2D(2, padding="same")(x)
        shortcut = convolution(shortcut, filters, 1, 1, f"block_{index}_conv_shortcut")
        x = convolution(x, filters, 3, 2, f"block_{index}_conv_1")
        x = convolution(layers.ReLU()(x), filters, 3, 1, f"block_{index}_conv_2")
        x = layers.ReLU()(layers.Add()([x, shortcut]))
    x = layers.Dropout(network.dropout)(layers.Flatten()(x))
    return layers.Dense(network.embedding, name="embedding")(x)


def convolution(x: Any, filters: int, size: int, stride: int, name: str) -> Any:
    x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization()(x)


def cosine(left: Any, right: Any, network: Network) -> Any:
    product = layers.Dot(1, normalize=True, dtype="float32")([left, right])
    factor = keras.initializers.Constant(10.0)
    return layers.Dense(1, "sigmoid", kernel_initializer=factor, dtype="float32", name="scale")(
        product
    )
