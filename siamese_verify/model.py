"""`SiameseModel`: one tower for both images, and a head that scores the pair."""

from __future__ import annotations

import warnings
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from typing_extensions import override

from siamese_verify.checks import whole_number
from siamese_verify.data.preprocessing import scale
from siamese_verify.layers.score_kinds import check_loss_fits
from siamese_verify.scoring import checked_pairs, score_pairs
from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify")
class SiameseModel(keras.Model):
    """Scores pairs of images: higher is more alike.

    Both images of a pair pass the tower in one batch, so that batch norm has one set of
    statistics for both and the tower runs once.

    Args:
        tower: From images to embeddings: a `ConvTower`, or any other Keras model or layer that
            gives `(batch, size)`.
        head: From two embeddings to a score: a `WeightedL1Head`, `EuclideanHead`, `CosineHead`,
            or a layer of your own called in the same way.
        **kwargs: Keras's own, such as `name`.

    Attributes:
        tower: The tower, as a Keras model.
        head: The head.
        embedding_size: Length of an embedding, once the model is built.

    Call arguments:
        inputs: Left and right images, each `(batch, height, width, channels)`, uint8, or floats
            in [0, 1].

    Output shape:
        `(batch, 1)`.

    Raises:
        ValueError: If the tower gives anything but one vector for each image.

    Examples:
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> model = SiameseModel(tower, WeightedL1Head())
        >>> model.compile("adam", loss="binary_crossentropy", metrics=["accuracy"])
        >>> images = np.zeros((4, 16, 16, 1), np.float32)
        >>> model.predict((images, images), verbose=0).shape
        (4, 1)

    Reference:
        Bromley et al., "Signature Verification using a 'Siamese' Time Delay Neural Network", 1993;
        Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition", 2015.
    """

    def __init__(
        self, tower: keras.Model | keras.layers.Layer, head: keras.layers.Layer, **kwargs: Any
    ):
        super().__init__(**kwargs)
        # A model, since a layer alone cannot embed batch after batch.
        self.tower = tower if isinstance(tower, keras.Model) else keras.Sequential([tower])
        self.head = head
        self._jax_embedder: _JaxEmbedder | None = None
        if tower.built and hasattr(tower, "input_shape"):
            self.build((tower.input_shape, tower.input_shape))

    @override
    def build(self, input_shape: Any) -> None:
        image_shape = tuple(input_shape[0])
        if not self.tower.built:
            self.tower.build(image_shape)
        embedding = self.tower.compute_output_spec(keras.KerasTensor(image_shape))
        if len(getattr(embedding, "shape", ())) != 2:
            raise ValueError(
                "A tower gives one vector for each image, of shape (batch, size). "
                f"Received: tower {self.tower.name!r} with output {embedding}. "
                "A pooling or flatten layer may be missing."
            )
        if not self.head.built:
            self.head.build((embedding.shape, embedding.shape))
        self._image_shape, self.embedding_size = image_shape[1:], embedding.shape[-1]
        self.built = True

    @override
    def call(self, inputs: tuple[Tensor, Tensor], training: bool | None = None) -> Tensor:
        left, right = map(_scaled, inputs)
        # In a graph of TensorFlow, the lengths may not be known yet.
        if len({left.shape[0], right.shape[0]} - {None}) > 1:
            raise ValueError(
                "A batch of pairs holds as many left as right images. "
                f"Received: shapes {left.shape}, {right.shape}"
            )
        embeddings = self.tower(ops.concatenate([left, right], axis=0), training=training)
        n = ops.shape(left)[0]
        return self.head((embeddings[:n], embeddings[n:]))

    @override
    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Configure the model for training, as `keras.Model.compile` does.

        Args:
            optimizer: As for `keras.Model.compile`.
            loss: As for `keras.Model.compile`. It must fit the head: a `WeightedL1Head` or a
                `SigmoidCosineHead` is trained with `"binary_crossentropy"`, a `EuclideanHead` with
                `ContrastiveLoss()`. A `CosineHead` is not trained on pairs: train the tower.
            *args: As for `keras.Model.compile`.
            **kwargs: As for `keras.Model.compile`, such as `metrics`.

        Raises:
            ValueError: If head and loss contradict each other. A head without an attribute
                `score_kind`, such as your own, fits any loss.

        Examples:
            >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
            >>> model = SiameseModel(tower, EuclideanHead())
            >>> model.compile("adam", loss=ContrastiveLoss(margin=1.0))
        """
        check_loss_fits(self.head, loss)
        super().compile(optimizer, loss, *args, **kwargs)

    @override
    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded model as it was when it was saved."""
        if type(self).compile is not SiameseModel.compile:
            # Keras cannot know the arguments of a subclass, and says so.
            super().compile_from_config(config)
            return
        arguments = keras.saving.deserialize_keras_object(config)
        try:
            check_loss_fits(self.head, arguments.get("loss"))
        except ValueError as error:
            # An older version may have saved it. Scores need no loss.
            warnings.warn(
                f"{error} The model in the file was compiled with this loss. Its scores are as "
                "they were. Compile it with another loss before you train it.",
                stacklevel=2,
            )
        super().compile(**arguments)
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def embed(self, images: npt.ArrayLike, batch_size: int = 128) -> npt.NDArray[np.float32]:
        """The embeddings of images, each of which is then compared without passing the tower again.

        `score_pairs` and `score_matrix` score them, or `model.head((left, right))`.

        Args:
            images: `(n, height, width, channels)`, uint8, or floats in [0, 1].
            batch_size: Images that pass the tower at once.

        Returns:
            float32 array `(n, size)`.

        Raises:
            ValueError: If the images are of another type, shape or range, or `batch_size` is
                below 1.

        Examples:
            >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
            >>> model = SiameseModel(tower, CosineHead())
            >>> model.embed(np.zeros((5, 16, 16, 1), np.uint8)).shape
            (5, 32)
        """
        batch_size = whole_number("batch_size", batch_size)
        images = np.asarray(images)
        if not self.built:
            self.build(((None, *images.shape[1:]),) * 2)
        expected = self._image_shape
        if images.ndim != 1 + len(expected) or any(
            size not in (None, given)
            for size, given in zip(expected, images.shape[1:], strict=True)
        ):
            raise ValueError(
                f"`images` must have the shape (n, {', '.join(map(str, expected))}). "
                f"Received: {images.shape}"
            )
        if not len(images):
            return np.empty((0, self.embedding_size), np.float32)
        if keras.backend.backend() != "jax":
            embed = self.tower.predict_on_batch
        elif self._jax_embedder is not None and self._jax_embedder.tower is self.tower:
            embed = self._jax_embedder
        else:
            embed = self._jax_embedder = _JaxEmbedder(self.tower)
        embeddings = [
            embed(scale(images[i : i + batch_size])) for i in range(0, len(images), batch_size)
        ]
        return np.concatenate(embeddings).astype(np.float32)

    def score(
        self, images: npt.ArrayLike, pairs: npt.ArrayLike, batch_size: int = 128
    ) -> npt.NDArray[np.float32]:
        """The scores of pairs, for which each image passes the tower once.

        `predict` gives the same scores, but embeds an image anew for each pair that it is in.

        Args:
            images: As for `embed`, such as `PairDataset.images`.
            pairs: Integer array `(p, 2)`: which of the images are the left and right of each pair,
                such as `PairDataset.indices`.
            batch_size: Images that pass the tower at once.

        Returns:
            float32 array `(p,)`; higher is more alike.

        Raises:
            ValueError: If the images are of another type, shape or range, or pairs of another
                shape.

        Examples:
            >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
            >>> model = SiameseModel(tower, CosineHead())
            >>> model.score(np.zeros((5, 16, 16, 1), np.uint8), [[0, 1], [0, 2], [3, 4]]).shape
            (3,)
        """
        chosen = checked_pairs(pairs)
        used, indices = np.unique(chosen, return_inverse=True)
        embeddings = self.embed(np.asarray(images)[used], batch_size)
        return score_pairs(self.head, embeddings, indices.reshape(chosen.shape))

    @override
    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tower": keras.saving.serialize_keras_object(self.tower),
            "head": keras.saving.serialize_keras_object(self.head),
        }

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        parts = {
            part: keras.saving.deserialize_keras_object(config[part], custom_objects)
            for part in ("tower", "head")
        }
        return cls(**{**config, **parts})


class _JaxEmbedder:
    """`tower.predict_on_batch` on JAX, safe to call from threads.

    Keras's own donates the weights to the computation, so that another thread finds them deleted,
    and gives them back as new arrays. This one leaves them as they are.
    """

    def __init__(self, tower: keras.Model):
        import jax

        self.tower = tower
        self._predict: Any = lambda state, images: tower.predict_step(state, (images,))[0]
        if tower.jit_compile and not tower.run_eagerly:
            self._predict = jax.jit(self._predict)

    def __call__(self, images: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        weights = self.tower.trainable_variables, self.tower.non_trainable_variables
        state = tuple([variable.value for variable in part] for part in weights)
        return np.asarray(self._predict(state, images))


def _scaled(images: Tensor) -> Tensor:
    """Pixels as floats in [0, 1], as by `scale`, which is not for a graph."""
    dtype = keras.backend.standardize_dtype(images.dtype)
    if dtype == "uint8":
        return ops.cast(images, keras.config.floatx()) / 255
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"Images are uint8 in [0, 255] or floating-point in [0, 1]. Received: dtype={dtype}"
        )
    return images
