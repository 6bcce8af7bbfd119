"""`SeenData`: salted hashes of the data that training and calibration have seen."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from siamese_verify.messages import shown
from siamese_verify.names import normalized

if TYPE_CHECKING:
    from siamese_verify.data.pair_dataset import PairDataset

Hashes = frozenset[str]


@dataclasses.dataclass(frozen=True)
class SeenData:
    """Salted hashes of the identities of training, and of the identities and images of calibration.

    With them, an evaluation can tell whether its pairs were seen before. A hash does not show a
    name, but whoever guesses a name can check it. Leave the hashes out of a file for strangers if
    it must not tell who is in the data.

    Args:
        salt: Random bytes as hexadecimal digits. Hashes with different salts cannot be compared.
        training: Hashes of the identities of training, empty where they are not known.
        calibration: Hashes of the identities of the validation pairs.
        images: Hashes of the decoded pixels of the validation images.

    Raises:
        ValueError: If salt or hashes are something else.
    """

    salt: str
    training: Hashes
    calibration: Hashes
    images: Hashes

    def __post_init__(self) -> None:
        if not re.fullmatch(_DIGITS, self.salt):
            raise ValueError(f"A salt has 32 hexadecimal digits. Received: {shown(self.salt)}")
        for name in _HASHES:
            for value in getattr(self, name):
                if not re.fullmatch(_DIGITS, value):
                    raise ValueError(
                        f"A hash has 32 hexadecimal digits. Received: {name}={shown(value)}"
                    )

    @classmethod
    def of(cls, pairs: PairDataset, training_identities: Iterable[str]) -> Self:
        """Hash the identities and images of validation pairs, with a new salt."""
        salt = os.urandom(hashlib.blake2b.SALT_SIZE).hex()
        return cls(
            salt,
            training=_hash_names(training_identities, salt),
            calibration=_hash_names(pairs.pairs.identities, salt),
            images=_hash_images(pairs, salt),
        )

    def overlaps(self, pairs: PairDataset) -> list[str]:
        """Describe which data of test pairs was seen before.

        Returns:
            One sentence for each kind of overlap, or an empty list if all data is new.
        """
        names = _hash_names(pairs.pairs.identities, self.salt)
        images = _hash_images(pairs, self.salt)
        kinds = (
            (names, self.training, "identities", "training"),
            (names, self.calibration, "identities", "calibration"),
            (images, self.images, "images", "calibration"),
        )
        return [
            f"{_share(len(found & seen), len(found))} test {what} were in {where}, so the figures "
            "will be better than on other identities. Evaluate on pairs of other identities."
            for found, seen, what, where in kinds
            if found & seen
        ]

    def to_dict(self) -> dict[str, str]:
        """Make a record for JSON."""
        hashes = {name: " ".join(sorted(getattr(self, name))) for name in _HASHES}
        return {"salt": self.salt, **hashes}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: If `values` is something else.
        """
        return cls(values["salt"], *(frozenset(values[name].split()) for name in _HASHES))


_DIGITS = "[0-9a-f]{32}"
_HASHES = ("training", "calibration", "images")


def _hash_names(names: Iterable[str], salt: str) -> Hashes:
    return frozenset(_hash(normalized(name).encode(), salt) for name in names)


def _hash_images(pairs: PairDataset, salt: str) -> Hashes:
    """Hash pixels, so that a copy under another name is found."""
    rows = np.unique(pairs.indices).tolist()
    return frozenset(_hash(np.ascontiguousarray(pairs.images[row]), salt) for row in rows)


def _hash(contents: Any, salt: str) -> str:
    return hashlib.blake2b(contents, digest_size=16, salt=bytes.fromhex(salt)).hexdigest()


def _share(part: int, whole: int) -> str:
    return f"All {whole:,}" if part == whole else f"{part:,} of {whole:,}"
