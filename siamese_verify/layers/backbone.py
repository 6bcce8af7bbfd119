"""`BackboneTower` and `backbone`: a pretrained network as a tower, in the range that it needs."""

from __future__ import annotations

from typing import Any, Self

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.checks import whole_number
from siamese_verify.layers.checks import checked_image_size
from siamese_verify.layers.input_range import InputRange
from siamese_verify.layers.pretrained import load_network
from siamese_verify.messages import shown

# With the 0.999 of MobileNetV3, the averages of a network that starts at random need thousands of
# steps. Until then, evaluation and training see two different networks.
_LARGEST_MOMENTUM = 0.9


@keras.saving.register_keras_serializable(package="siamese_verify")
class BackboneTower(keras.Model):
    """Tower that is made of a pretrained network, a pooling and an embedding.

    `backbone` makes one from a name. Make one yourself for a network of your own.

    A frozen network keeps all its weights, so that only the embedding learns. Batch norm of a
    pretrained network runs in inference mode for good. A small batch would spoil its averages.
    After `freeze` or `unfreeze`, call `compile` again, as after any change of `trainable` in Keras.

    Args:
        network: Built Keras model that returns feature maps `(batch, height, width, channels)`,
            tokens `(batch, tokens, channels)` or vectors. Maps and tokens are averaged.
        input_range: Layer that brings images in [0, 1] to the range that the network needs.
        embedding_size: Size of the embedding, made by a dense layer. By default the embedding is
            the average itself.
        channels: 3 (RGB), or 1 (grey) for a network of grey images that are repeated three times.
        is_pretrained: Whether the network has been trained, so that its batch norm must not change.
        dtype: Precision of the embedding's layer. By default it is Keras's global policy. The
            network keeps its own precision.
        **kwargs: Keyword arguments of `keras.Model`, such as `name`.

    Attributes:
        network: The network, whose variables `BackboneAdam` changes at a lower rate.

    Input shape:
        `(batch, height, width, channels)`, floats in [0, 1].

    Output shape:
        `(batch, size)`, float32.

    Raises:
        ValueError: If the network has another input or output than described, or an argument is
            out of range.

    Examples:
        >>> network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(8, 3)])
        >>> tower = BackboneTower(network, InputRange(scale=2.0, offset=-1.0), embedding_size=32)
        >>> tower.input_shape, tower.output_shape
        ((None, 16, 16, 3), (None, 32))
    """

    def __init__(
        self,
        network: keras.Model,
        input_range: InputRange,
        embedding_size: int | None = None,
        *,
        channels: int = 3,
        is_pretrained: bool = True,
        dtype: str | None = None,
        **kwargs: Any,
    ):
        height, width = _checked_size(network, channels)
        dtype = keras.dtype_policies.get(dtype).name
        images = keras.Input((height, width, channels), name="image")
        x = ops.repeat(images, 3, axis=-1) if channels == 1 else images
        x = _pooled(network, network(input_range(x)))
        if embedding_size is not None:
            embedding_size = whole_number("embedding_size", embedding_size)
            x = keras.layers.Dense(embedding_size, dtype=dtype, name="embedding")(x)
        float32 = keras.layers.Activation("linear", dtype="float32", name="float32")
        super().__init__(images, float32(x), **kwargs)
        self.network, self.input_range = network, input_range
        self._settings = {
            "embedding_size": embedding_size,
            "channels": channels,
            "is_pretrained": bool(is_pretrained),
            "dtype": dtype,
        }
        for variable in network.variables:
            variable.is_of_backbone = True

    def freeze(self) -> Self:
        """Keep all weights of the network. Call `compile` afterwards.

        Returns:
            The tower itself.
        """
        self.network.trainable = False
        return self

    def unfreeze(self) -> Self:
        """Let the network learn, except for the batch norm of a pretrained one. Then `compile`.

        Train it with a low learning rate, such as `BackboneAdam` uses. Otherwise the first steps
        destroy what the network knows.

        Returns:
            The tower itself.
        """
        self.network.trainable = True
        if self._settings["is_pretrained"]:
            for layer in _batch_norms(self.network):
                layer.trainable = False
        return self

    @override
    def get_config(self) -> dict[str, Any]:
        parts = {"network": self.network, "input_range": self.input_range}
        saved = {n: keras.saving.serialize_keras_object(part) for n, part in parts.items()}
        return {"name": self.name, **saved, **self._settings}

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("network", "input_range")
        }
        return cls(**{**config, **parts})


def backbone(
    name: str,
    *,
    weights: str | None = "imagenet",
    image_size: tuple[int, int] = (224, 224),
    channels: int = 3,
    embedding_size: int | None = None,
) -> BackboneTower:
    """Make a tower from a network of `keras.applications`, or of KerasHub where it is installed.

    The tower brings images from [0, 1] to the range that the network was trained with. A network
    with weights starts frozen: train the embedding first, then call `unfreeze`. A network without
    weights learns from the start, with averages of batch norm that follow within a short training
    (momentum 0.9, where MobileNetV3 has 0.999).

    Args:
        name: Name of a class in `keras.applications`, such as `"MobileNetV3Small"`. Otherwise a
            preset of `keras_hub.models.Backbone`, or the path of a folder that holds one.
        weights: `"imagenet"`, the path of a file of weights, or None for random weights. A preset
            has its own weights, which are used unless this is None.
        image_size: Height and width of an image. A preset may fix its own.
        channels: 3 (RGB), or 1 (grey), whose images are repeated three times.
        embedding_size: Size of the embedding, made by a new dense layer. By default the embedding
            is the average of the features. With `freeze`, only this layer learns.

    Returns:
        A `BackboneTower`, for `SiameseModel` or `Verifier`.

    Raises:
        ValueError: If the name is not known, or an argument is out of range.
        ImportError: If the name is not in `keras.applications`, and KerasHub is not installed.
        OSError: If weights cannot be fetched or read.

    Examples:
        >>> tower = backbone("MobileNetV3Small", weights=None, image_size=(32, 32))
        >>> tower.output_shape
        (None, 576)
        >>> verifier = Verifier(tower, Preprocessing((32, 32), channels=3), head=CosineHead())

    Reference:
        Ioffe, Szegedy, "Batch Normalization", 2015, section 3.1 (averages for inference).
    """
    network, input_range = load_network(name, weights, checked_image_size(image_size))
    tower = BackboneTower(
        network,
        input_range,
        embedding_size,
        channels=channels,
        is_pretrained=weights is not None,
    )
    if weights is not None:
        return tower.freeze()
    for layer in _batch_norms(network):
        layer.momentum = min(layer.momentum, _LARGEST_MOMENTUM)
    return tower


def _batch_norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    layers = network._flatten_layers()
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def _pooled(network: keras.Model, features: Any) -> Any:
    rank = len(features.shape)
    if rank not in (2, 3, 4):
        raise ValueError(
            "`network` must return maps, tokens or vectors for each image. "
            f"Received: {shown(repr(network.name))} with the output shape {features.shape}"
        )
    pooling = {3: keras.layers.GlobalAveragePooling1D, 4: keras.layers.GlobalAveragePooling2D}
    return pooling[rank](name="pooling")(features) if rank in pooling else features


def _checked_size(network: keras.Model, channels: int) -> tuple[int, int]:
    shape = getattr(network, "input_shape", None)
    if not (isinstance(shape, tuple) and len(shape) == 4 and shape[-1] == 3):
        raise ValueError(
            "`network` must be a built model of RGB images (batch, height, width, 3). "
            f"Received: network of input shape {shape}"
        )
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 or 3. Received: channels={shown(repr(channels))}")
    return shape[1], shape[2]
