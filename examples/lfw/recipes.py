"""The recipes: the settings of a training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

PLAIN_TOWERS = ("koch2015", "small")  # The other towers are residual.


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a training depends on, except the data and the seed.

    The defaults are the setup of Koch et al. (2015), as applied to LFW by the report that
    docs/lfw-results.md compares with.

    Attributes:
        name: Name of the recipe that this one is or was made from.
        image_size: Height and width of the images in pixels.
        crop: Height and width of the central square that is seen. None for the whole image.
        augment: Random changes of training images.
        tower: Network for one image. `small` is for drawn faces.
        batch_norm: Whether a plain tower has batch norm. Residual towers always have it.
        dropout: Rate of dropout after each pooling, or at the end of a residual tower.
        l2: L2 penalty on the kernels of a plain tower, without its dense layer.
        embedding_l2: L2 penalty on the dense layer of a plain tower.
        flip_average: Whether the embedding averages the image and its mirror image.
        unconstrained_head: Whether a larger distance can raise the score, as in Koch et al.
        labels: Kind of labels to learn from: of pairs, or names of images. With names,
            `binary_crossentropy` learns from pairs that are drawn by name.
        loss: Loss. `binary_crossentropy` trains the score of a pair, the others an embedding.
        margin: Cosine margin of `margin_softmax`.
        identities_share: Share of the training identities to use, with names.
        per_identity: Images of each identity in a batch, with names. None for random batches.
        batch_size: Number of pairs in a batch, or of images with names.
        shuffle_buffer: Number of pairs to shuffle at a time. None for the whole list.
        optimizer: Optimizer.
        learning_rate: Learning rate, the highest one if it is scheduled.
        momentum: Momentum of `sgd`.
        weight_decay: Decoupled weight decay of the kernels.
        schedule: Course of the learning rate. `koch2015` is for `sgd`.
        ema: Momentum of the moving average of the weights. 0 for no average.
        epochs: Number of epochs.
        patience: Number of epochs without a lower training loss, after which training stops.
        validation: Share of the training pairs that is for validation.
        split_by: Pairs or identities, which training and validation may not share.
        threshold: Policy by which the threshold is chosen on the validation pairs.
    """

    name: str = "report"

    image_size: int = 105
    crop: int | None = None
    augment: Literal["none", "koch2015", "faces"] = "none"

    tower: Literal["koch2015", "small", "residual", "multi-crop"] = "koch2015"
    batch_norm: bool = False
    dropout: float = 0.0
    l2: float = 0.001
    embedding_l2: float = 0.0
    flip_average: bool = False
    unconstrained_head: bool = True

    labels: Literal["pairs", "names"] = "pairs"
    loss: Literal["binary_crossentropy", "supervised_contrastive", "margin_softmax"] = (
        "binary_crossentropy"
    )
    margin: float = 0.2
    identities_share: float = 1.0
    per_identity: int | None = None
    batch_size: int = 128
    shuffle_buffer: int | None = None

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-5
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Literal["constant", "koch2015", "cosine"] = "constant"
    ema: float = 0.0
    epochs: int = 20
    patience: int = 10

    validation: float = 0.15
    split_by: Literal["pair", "identity"] = "pair"
    threshold: str = "max_accuracy"

    def __post_init__(self) -> None:
        """Check that the fields fit together. The library checks their ranges."""
        plain, names = self.tower in PLAIN_TOWERS, self.labels == "names"
        self._need(plain or not self.batch_norm, "batch_norm", "a plain tower, koch2015 or small")
        self._need(names or self.loss != "margin_softmax", "loss", "labels='names'")
        self._need(not names or self.split_by == "identity", "labels", "split_by='identity'")
        self._need(names or self.identities_share == 1, "identities_share", "labels='names'")
        self._need(names or not self.per_identity, "per_identity", "labels='names'")
        self._need(not self.flip_average or not self.l1_head, "flip_average", "another loss")
        self._need(
            0 < self.identities_share <= 1, "identities_share", "a share above 0 and at most 1"
        )
        self._need(self.epochs >= 1, "epochs", "a number of at least 1")
        self._need(0 <= self.dropout < 1, "dropout", "a rate of at least 0 and below 1")

    def _need(self, fulfilled: bool, field: str, needed: str) -> None:
        if not fulfilled:
            raise ValueError(
                f"Recipe {self.name!r}: `{field}` requires {needed}. "
                f"Received: {field}={getattr(self, field)!r}"
            )

    @property
    def l1_head(self) -> bool:
        """Whether pairs are scored by a weighted L1 distance. Otherwise by a cosine."""
        return self.loss == "binary_crossentropy" and self.tower in PLAIN_TOWERS


_REPORT = Recipe()
# The report's recipe for drawn faces, which are small, so that training needs only minutes.
_DRAWN = replace(
    _REPORT,
    name="drawn",
    batch_size=64,
    tower="small",
    image_size=48,
    learning_rate=2e-3,
    l2=0.0,
    unconstrained_head=False,
    labels="names",
    split_by="identity",
    epochs=16,
)
_RESTRICTED = Recipe(
    name="restricted",
    tower="multi-crop",
    unconstrained_head=False,
    image_size=128,
    crop=144,
    dropout=0.4,
    l2=0.0,
    loss="supervised_contrastive",
    batch_size=64,
    optimizer="sgd",
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=5e-3,
    schedule="cosine",
    ema=0.995,
    augment="faces",
    flip_average=True,
    epochs=48,
    patience=100,
    validation=0.1,
    split_by="identity",
    # On few validation pairs, it varies far less than the threshold of the highest accuracy.
    threshold="eer",
)
_UNRESTRICTED = replace(
    _RESTRICTED,
    name="unrestricted",
    labels="names",
    loss="margin_softmax",
    batch_size=128,
    learning_rate=0.1,
    epochs=80,
    validation=0.07,
)
RECIPES = {recipe.name: recipe for recipe in (_REPORT, _RESTRICTED, _UNRESTRICTED, _DRAWN)}
