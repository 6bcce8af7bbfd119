"""What the model card of a run says of its data, recipe and use."""

from __future__ import annotations

import argparse

from lfw_data import Data
from settings import RECIPES, has_l1_head, without_effect

import siamese_verify as sv

_LFW = "Labeled Faces in the Wild (View 1), images of public figures from the news of 2002-2003"
_DRAWN = "drawn faces, which stand in for images and say nothing about real faces"


def card_texts(data: Data, settings: argparse.Namespace) -> dict[str, str]:
    """The texts that `model_card` takes."""
    return {
        "name": f"Face verifier, recipe `{settings.recipe}`",
        "data": _data(data, settings),
        "recipe": _recipe(settings),
        "intended_use": _USE,
    }


def _data(data: Data, settings: argparse.Namespace) -> str:
    validation, test = data.validation.pairs, data.test.pairs
    trained = (data.identities or data.train.pairs).identities
    source = _LFW if settings.data else _DRAWN
    return f"""\
From {source}; weights were random at first, and nothing else was used.

- training: {_trained_on(data)}
- validation, for every choice: {_count(validation)}
- test, by which nothing is chosen: {_count(test)}

{_known("validation", validation, "training", trained)}
{_known("test", test, "training or validation", trained + validation.identities)}"""


def _known(name: str, pairs: sv.PairList, other: str, identities: tuple[str, ...]) -> str:
    known = len(set(pairs.identities) & set(identities))
    if not known:
        return f"Nobody in the {name} pairs is in {other}."
    return f"{known:,} identities in the {name} pairs are in {other}, which is optimistic."


def _count(pairs: sv.PairList) -> str:
    return f"{len(pairs):,} pairs of {len(pairs.identities):,} identities"


def _trained_on(data: Data) -> str:
    if data.identities is not None:
        identities = data.identities
        return (
            f"{len(identities):,} images and the names of {len(identities.identities):,} identities"
        )
    train = data.train.pairs
    return f"{len(train):,} pairs of {len(train.samples):,} images, and whether each is same"


def _recipe(settings: argparse.Namespace) -> str:
    names = [*RECIPES["report"], "limit", "seed"]
    without = without_effect(settings)
    values = ", ".join(f"{name} {getattr(settings, name)}" for name in names if name not in without)
    recipe = f"`examples/lfw/train.py --recipe {settings.recipe}`, with {values}."
    return recipe + (
        _UNCONSTRAINED if has_l1_head(settings) and settings.unconstrained_head else ""
    )


_UNCONSTRAINED = """

Its head is unconstrained, as the head of Koch et al. (2015) is. A larger distance can raise the
score, so that an image compared with itself can be rejected."""

_USE = """\
For research on verification, and as a start for training on images of your own. It compares
upright faces, found and aligned as in LFW.

Not for decisions about identities, such as access, identification by authorities or surveillance: its
error rates are far above those of systems made for that, and were measured on public figures.
LFW's makers say of it that it holds few children, few identities above 80, a small share of women, and
many ethnicities hardly or not at all (vis-www.cs.umass.edu/lfw). It does not say who is of which
age, gender or origin, so that error rates by these were not measured. Calibrate the threshold anew
on images like yours."""
