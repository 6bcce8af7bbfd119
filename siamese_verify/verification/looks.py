"""`Looks`: the look of validation images in a few numbers, and which images are unlike them.

Blurred, turned, grey or noisy images have embeddings close to each other, so that two of them match
whomever they show. A threshold says nothing about such images if validation had none.

Every limit is for one number of an image. It lies beyond nearly all validation images, and three
robust standard deviations from their median. No image and no embedding is kept: only limits, and
means over all validation images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

import numpy as np

from siamese_verify.checks import finite_number
from siamese_verify.data.preprocessing import Pixels
from siamese_verify.messages import listed_in_lines, shown
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.image_measures import LAYOUT_SIDE, Floats, limits, measure
from siamese_verify.verification.turns import learn_turns

Unlike = Literal["warn", "raise", "ignore"]
Reasons = tuple[str, ...]


class UnlikeValidationWarning(UserWarning):
    """Warning about images that look unlike all validation images, and may match anybody."""


class UnlikeValidationError(ValueError):
    """Error for images that look unlike all validation images, and may match anybody."""


@dataclasses.dataclass(frozen=True)
class Looks:
    """Look of validation images, in a few numbers.

    Args:
        contrast: Lowest typical contrast (see `image_measures.measure`).
        blurred: Lowest typical detail.
        noisy: Highest typical noise.
        turned: Weights of an image's layout, then the lowest typical sum. One row for each turn by
            90, 180 or 270 degrees that can be told from an upright image.
        centre: Mean embedding.
        spread: Standard deviation of each number of the embeddings.
        distance: Largest typical distance of an embedding from the centre, in spreads.

    Raises:
        ValueError: If an argument is of another type or length, or not finite.
    """

    contrast: float
    blurred: float
    noisy: float
    turned: tuple[tuple[float, ...], ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    distance: float

    def __post_init__(self) -> None:
        for name in ("contrast", "blurred", "noisy", "distance"):
            object.__setattr__(self, name, finite_number(name, getattr(self, name)))
        for name in ("centre", "spread"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        object.__setattr__(self, "turned", tuple(_numbers("turned", row) for row in self.turned))
        wrong = [len(row) for row in self.turned if len(row) != LAYOUT_SIDE**2 + 1]
        if wrong or len(self.centre) != len(self.spread):
            raise ValueError(
                "Weights and embeddings must have one length. Received: "
                f"turned of {wrong}, centre of {len(self.centre)}, spread of {len(self.spread)}"
            )

    @classmethod
    def of(cls, measures: Floats, embeddings: Floats) -> Self | None:
        """Learn what validation images look like. None if they are too few to tell.

        Args:
            measures: Measures of the images `(n, m)`, from `image_measures.measure`.
            embeddings: Embeddings of the images `(n, size)`. Images of an identity must stand
                together, because limits are tested on images of other identities.
        """
        if len(measures) < _FEWEST:
            return None
        (contrast, detail, noise), layout = measures[:, :3].T, measures[:, 3:]
        centre, spread = embeddings.mean(axis=0), embeddings.std(axis=0)
        return cls(
            contrast=_short(limits(contrast)[0]),
            blurred=_short(limits(detail)[0]),
            noisy=_short(limits(noise)[1]),
            turned=tuple(tuple(map(_short, row)) for row in learn_turns(layout)),
            centre=tuple(map(_short, centre)),
            spread=tuple(map(_short, spread)),
            distance=_short(limits(_held_out_distances(embeddings))[1]),
        )

    def reasons(self, measures: Floats, embeddings: Floats) -> list[Reasons]:
        """Tell in what each image is unlike all validation images.

        Args:
            measures: Measures of the images `(n, m)`, from `image_measures.measure`.
            embeddings: Embeddings of the images `(n, size)`.

        Returns:
            For each image, any of `"low contrast"`, `"blurred"`, `"noisy"`, `"turned"` (sideways
            or upside down) and `"unusual"` (its embedding is far from the validation embeddings).
        """
        (contrast, detail, noise), layout = measures[:, :3].T, measures[:, 3:]
        turns = np.array(self.turned).reshape(-1, layout.shape[1] + 1)
        centre, spread = np.array(self.centre), np.array(self.spread)
        found = {
            "low contrast": contrast < self.contrast,
            "blurred": detail < self.blurred,
            "noisy": noise > self.noisy,
            "turned": (layout @ turns[:, :-1].T < turns[:, -1]).any(axis=1),
            "unusual": _distances(embeddings, centre, spread) > self.distance,
        }
        return [
            tuple(reason for reason, which in found.items() if which[row])
            for row in range(len(measures))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Make a record for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises:
            TypeError, ValueError: If `values` is something else.
        """
        return cls(**values)


def find_unlike(looks: Looks | None, pixels: Pixels, embeddings: Floats) -> list[Reasons]:
    """Tell in what each image is unlike all validation images, or nothing if these are not known.

    Args:
        looks: Look of the validation images, if known.
        pixels: Images as `read_image` returns them, uint8 `(n, height, width, channels)`.
        embeddings: Embeddings of the images `(n, size)`.
    """
    return [()] * len(pixels) if looks is None else looks.reasons(measure(pixels), embeddings)


def of_both(left: Reasons, right: Reasons) -> Reasons:
    """Tell in what either image of a pair is unlike all validation images."""
    return *(f"left: {reason}" for reason in left), *(f"right: {reason}" for reason in right)


def check_unlike(unlike: Any) -> None:
    """Raise a `ValueError` unless `unlike` is one of `Unlike`."""
    if unlike not in get_args(Unlike):
        raise ValueError(
            f"`unlike` must be 'warn', 'raise' or 'ignore'. Received: unlike={shown(repr(unlike))}"
        )


def report_unlike(found: Sequence[tuple[str, Reasons]], n_images: int, unlike: Unlike) -> None:
    """Warn of images that are unlike all validation images, or raise.

    Args:
        found: Name and reasons of images, which may have no reason.
        n_images: Number of all images.
        unlike: `"warn"`, `"raise"` or `"ignore"`.

    Raises:
        UnlikeValidationError: If an image has a reason, and `unlike` is `"raise"`.

    Warns:
        UnlikeValidationWarning: If an image has a reason, and `unlike` is `"warn"`.
    """
    images = [f"{shown(name)}: {', '.join(reasons)}" for name, reasons in found if reasons]
    if not images or unlike == "ignore":
        return
    text = (
        f"{len(images):,} of {n_images:,} images are unlike all validation images, so they may "
        "match anybody. Use other images, or set `unlike` to 'ignore' to accept them:"
        f"{listed_in_lines(images, lambda image: shown(image, 500))}"
    )
    if unlike == "raise":
        raise UnlikeValidationError(f"{text}\nReceived: unlike='raise'")
    warn_user(text, UnlikeValidationWarning)


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    return tuple(finite_number(name, value) for value in values)


def _short(number: Any) -> float:
    """Round to five digits, so that a file is small."""
    return float(f"{float(number):.5g}")


def _distances(embeddings: Floats, centre: Floats, spread: Floats) -> Floats:
    """Compute how far embeddings are from the centre, in spreads, on a logarithmic scale."""
    scaled = np.divide(
        embeddings - centre, spread, out=np.zeros(embeddings.shape), where=spread > 0
    )
    distances: Floats = np.log(np.sqrt(np.mean(scaled**2, axis=1)) + _SMALL)
    return distances


def _held_out_distances(embeddings: Floats) -> Floats:
    """Compute how far embeddings are from the embeddings of other identities.

    From their own centre, the embeddings of few identities are all near, and others are not.
    """
    distances = []
    for held_out in np.array_split(np.arange(len(embeddings)), _PARTS):
        others = np.delete(embeddings, held_out, axis=0)
        centre, spread = others.mean(axis=0), others.std(axis=0)
        distances.append(_distances(embeddings[held_out], centre, spread))
    return np.concatenate(distances)


_PARTS = 5  # Each is held out in turn.
_FEWEST = 30  # Number of images below which their quantiles say little.
_SMALL = 1e-9
