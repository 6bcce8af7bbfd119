"""`SiameseModel`: one tower for both images of a pair, and a head that scores the pair."""

from __future__ import annotations

from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from typing_extensions import override

from siamese_verify import onednn, ranges
from siamese_verify.backends import portable
from siamese_verify.checks import whole_number
from siamese_verify.data.stored_images import StoredImages, images_at
from siamese_verify.inference import TowerRunner, check_shape
from siamese_verify.layers.score_kinds import check_loss_fits
from siamese_verify.messages import shown
from siamese_verify.scoring import checked_pairs, score_pairs
from siamese_verify.tensors import Tensor
from siamese_verify.user_warnings import warn_user


@keras.saving.register_keras_serializable(package="siamese_verify")
@ranges.checks_pixels
class SiameseModel(keras.Model):
    """Model that scores pairs of images: higher is more alike.

    Both images of a pair pass the tower in one batch. The tower runs once, and batch norm has one
    set of statistics for both.

    Args:
        tower: Network for one image, which returns embeddings `(batch, size)`: a `ConvTower`, or
            any other Keras model or layer.
        head: Layer that scores two embeddings: a `WeightedL1Head`, `EuclideanHead`, `CosineHead`,
            or a layer of your own called in the same way.
        **kwargs: Arguments of `keras.Model`, such as `name`.

    Attributes:
        tower: The tower, as a Keras model.
        head: The head.
        embedding_size: Length of an embedding, once the model is built.
        image_shape: Height, width and channels of an image, once the model is built.

    Call arguments:
        inputs: Left and right images, each `(batch, height, width, channels)`, uint8, or floats
            in [0, 1]. Every method scales uint8 by 1/255. Floats out of range raise an error where
            they are passed as arrays or tensors, not where a data set or a generator yields them.

    Output shape:
        Scores `(batch, 1)`.

    Raises:
        ValueError: If the tower does not return one vector for each image.

    Warns:
        UserWarning: If the tower scales its images from [0, 255] itself: put
            `keras.layers.Rescaling(255.0)` before it. Also if images that are passed look black.

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
        if any(layer.compute_dtype == "float16" for layer in tower._flatten_layers()):
            # By this policy, Keras scales the loss, so that small gradients are not rounded to 0.
            kwargs.setdefault("dtype", "mixed_float16")
        # Tower and head cast for themselves, each by its own policy.
        super().__init__(autocast=False, **kwargs)
        # A layer alone cannot embed batch after batch, as a model can.
        self.tower = tower if isinstance(tower, keras.Model) else keras.Sequential([tower])
        self.head = head
        self._run_tower: TowerRunner | None = None
        ranges.warn_of_own_range(self.tower)
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
                "A tower must return one vector for each image, of shape (batch, size). "
                "A pooling or flatten layer may be missing. "
                f"Received: tower {shown(repr(self.tower.name))} with output {embedding}"
            )
        if not self.head.built:
            self.head.build((embedding.shape, embedding.shape))
        self.image_shape, self.embedding_size = image_shape[1:], embedding.shape[-1]
        self.built = True

    @override
    def call(self, inputs: tuple[Tensor, Tensor], training: bool | None = None) -> Tensor:
        left, right = map(ranges.scaled, inputs)
        # In a graph of TensorFlow, a length may still be unknown, and is then None.
        lengths = left.shape[0], right.shape[0]
        if None not in lengths and lengths[0] != lengths[1]:
            raise ValueError(
                "A batch of pairs must hold as many left as right images. "
                f"Received: shapes {left.shape} and {right.shape}"
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
            optimizer: Optimizer, as for `keras.Model.compile`.
            loss: Loss, as for `keras.Model.compile`. It must fit the head: a `WeightedL1Head` or a
                `SigmoidCosineHead` is trained with `"binary_crossentropy"`, a `EuclideanHead` with
                `ContrastiveLoss()`. A `CosineHead` is not trained on pairs: train the tower.
            *args: Further arguments of `keras.Model.compile`.
            **kwargs: Further arguments of `keras.Model.compile`, such as `metrics`.

        Raises:
            ValueError: If head and loss contradict each other. A head without an attribute
                `score_kind` fits any loss.

        Warns:
            UserWarning: If TensorFlow trains on a CPU without oneDNN, and the environment variable
                `TF_ENABLE_ONEDNN_OPTS` is not set.

        Examples:
            >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
            >>> model = SiameseModel(tower, EuclideanHead())
            >>> model.compile("adam", loss=ContrastiveLoss(margin=1.0))
        """
        check_loss_fits(self.head, loss)
        onednn.warn_if_off()
        super().compile(optimizer, loss, *args, **kwargs)

    @override
    def get_compile_config(self) -> dict[str, Any]:
        return dict(portable(super().get_compile_config()))

    @override
    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded model as it was when it was saved."""
        if type(self).compile is not SiameseModel.compile:
            # Keras cannot know the arguments of a subclass, and warns of it.
            super().compile_from_config(config)
            return
        arguments = keras.saving.deserialize_keras_object(config)
        if keras.backend.backend() == "torch":
            # A file of JAX asks for compilation, for which torch would run a C++ compiler.
            arguments["jit_compile"] = False
        try:
            check_loss_fits(self.head, arguments.get("loss"))
        except ValueError as error:
            # An older version may have saved such a model, and its scores need no loss.
            warn_user(
                f"{error} The model in the file was compiled with this loss. Its scores have not "
                "changed. Compile it with another loss before you train it.",
            )
        super().compile(**arguments)
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def embed(
        self, images: npt.ArrayLike | StoredImages, batch_size: int = 128
    ) -> npt.NDArray[np.float32]:
        """Compute the embeddings of images, which can then be compared without the tower.

        `score_pairs`, `score_matrix` and `model.head((left, right))` score embeddings.

        Args:
            images: Images `(n, height, width, channels)`, uint8, or floats in [0, 1]. Stored images
                are read batch by batch.
            batch_size: Number of images that pass the tower at once.

        Returns:
            float32 array `(n, size)`.

        Raises:
            ValueError: If the images are of another type, shape or range, or `batch_size` is
                below 1.

        Warns:
            UserWarning: If the images look black, or different ones have nearly equal embeddings.

        Examples:
            >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
            >>> model = SiameseModel(tower, CosineHead())
            >>> model.embed(np.zeros((5, 16, 16, 1), np.uint8)).shape
            (5, 32)
        """
        batch_size = whole_number("batch_size", batch_size)
        images = images if isinstance(images, StoredImages) else np.asarray(images)
        if not self.built:
            self.build(((None, *images.shape[1:]),) * 2)
        check_shape(images, self.image_shape)
        if not len(images):
            return np.empty((0, self.embedding_size), np.float32)
        ranges.warn_of_dark_pixels(images)
        if self._run_tower is None or self._run_tower.tower is not self.tower:
            self._run_tower = TowerRunner(self.tower)
        embeddings = self._run_tower(images, batch_size)
        ranges.warn_of_equal_embeddings(self.tower, images, embeddings)
        return embeddings

    def score(
        self, images: npt.ArrayLike | StoredImages, pairs: npt.ArrayLike, batch_size: int = 128
    ) -> npt.NDArray[np.float32]:
        """Score pairs, for which each image passes the tower once.

        `predict` returns the same scores, but embeds an image again for each of its pairs.

        Args:
            images: Images as for `embed`, such as `PairDataset.images`.
            pairs: Integer array `(p, 2)` with the rows of the left and the right image of each
                pair, such as `PairDataset.indices`.
            batch_size: Number of images that pass the tower at once.

        Returns:
            float32 array `(p,)`. A higher score is more alike.

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
        embeddings = self.embed(images_at(images, used), batch_size)
        return score_pairs(self.head, embeddings, indices.reshape(chosen.shape))

    @override
    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tower": portable(keras.saving.serialize_keras_object(self.tower)),
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
