"""The texts of a model card: data, recipe and use."""

from __future__ import annotations

from dataclasses import asdict

from lfw_data import Data
from options import Options

import siamese_verify as sv

_LFW = "Labeled Faces in the Wild (View 1), images of public figures from the news of 2002-2003"
_DRAWN = "drawn faces, which stand in for images and say nothing about real faces"


def card_texts(data: Data, options: Options) -> dict[str, str]:
    """Write the texts that `model_card` needs."""
    kind = "drawn faces" if options.data is None else "faces"
    return {
        "name": f"Verifier of {kind}, recipe `{options.recipe.name}`",
        "data": _data(data, _DRAWN if options.data is None else _LFW),
        "recipe": _recipe(options),
        "intended_use": _DRAWN_USE if options.data is None else _USE,
    }


def _data(data: Data, source: str) -> str:
    validation, test = data.validation.pairs, data.test.pairs
    trained = (data.identities or data.train.pairs).identities
    return f"""\
Source: {source}. Training started from random weights and used nothing else.

- training: {_trained_on(data)}
- validation, for every choice: {_count(validation)}
- test, for no choice: {_count(test)}

{_known("validation", validation, "training", trained)}
{_known("test", test, "training or validation", trained + validation.identities)}"""


def _known(name: str, pairs: sv.PairList, other: str, identities: tuple[str, ...]) -> str:
    known = len(set(pairs.identities) & set(identities))
    if not known:
        return f"Nobody in the {name} pairs is in {other}."
    return f"{known:,} identities in the {name} pairs are in {other} too: figures are optimistic."


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


def _recipe(options: Options) -> str:
    recipe = options.recipe
    values = asdict(recipe) | {"limit": options.limit, "seed": options.seed}
    listed = ", ".join(f"{field} {value}" for field, value in values.items() if field != "name")
    text = f"`examples/lfw/train.py --recipe {recipe.name}`, with {listed}."
    return text + (_UNCONSTRAINED if recipe.l1_head and recipe.unconstrained_head else "")


_UNCONSTRAINED = """

The head is unconstrained, as in Koch et al. (2015). A larger distance can raise the score, so an
image compared with itself can be rejected."""

_DRAWN_USE = """\
To try the library. The faces are drawings, so the figures say nothing about real faces, and the
model is of no use for them."""

_USE = """\
For research on verification, and as a start for training on images of your own. It compares
upright faces, found and aligned as in LFW.

Not for decisions about people, such as access, identification by authorities or surveillance. Its
error rates are far above the rates of systems made for such decisions, and were measured on public
figures. LFW's makers say that it holds few children, few people above 80 and a small share of
women. Many ethnicities are rare or missing (vis-www.cs.umass.edu/lfw). LFW does not record age,
gender or origin, so error rates by group were not measured. Calibrate the threshold on images like
yours before use."""
