"""`siamese-verify train`: from images to a verifier."""

from __future__ import annotations

import importlib.util
import shlex
from argparse import Namespace, _ArgumentGroup
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import (
    add_images,
    add_json,
    add_output,
    add_policy,
    add_preprocessing,
    add_seed,
)
from siamese_verify.commands.inputs import Images, check_formats, read_images
from siamese_verify.commands.outputs import accuracy_in_words, print_json
from siamese_verify.commands.values import folder_to_make, weights, whole_number
from siamese_verify.files import replacing
from siamese_verify.messages import shown

if TYPE_CHECKING:
    from siamese_verify.commands.training import Parts, Recipe
    from siamese_verify.evaluation.report import Evaluation
    from siamese_verify.verification.verifier import Verifier

EXAMPLE = "siamese-verify train images -o faces.keras"
EXIT_CODES = "0 written"
_USE = """\
To decide whether two images like the images of training show the same identity. Before use,
calibrate the threshold on images that were made as yours will be."""


class Texts(NamedTuple):
    """Texts of a model card."""

    name: str
    source: str
    use: str = _USE


class Trained(NamedTuple):
    """A verifier with its figures on the test pairs.

    Attributes:
        verifier: The verifier.
        report: Its evaluation.
        images: Files with the outcomes and, with matplotlib, the ROC curve.
        example: Files of a genuine test pair.
    """

    verifier: Verifier
    report: Evaluation
    images: list[Path]
    example: tuple[Path, Path]


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_images(inputs)
    inputs.add_argument(
        "--backbone",
        dest="name",  # As `backbone` calls it.
        metavar="NAME",
        help="pretrained network of keras.applications, such as MobileNetV3Small, whose embedding "
        "is trained first, then the whole (default: a small residual network)",
    )
    inputs.add_argument(
        "--weights",
        metavar="WEIGHTS",
        type=weights,
        help="weights of the backbone: imagenet, none or a file (default: imagenet)",
    )
    add_preprocessing(inputs, "48, or 96 for a backbone", "1, or 3 for a backbone")
    inputs.add_argument(
        "--epochs",
        metavar="N",
        type=whole_number(1),
        help="number of epochs (default: 20, or more where identities are few)",
    )
    inputs.add_argument(
        "--cache",
        metavar="DIR",
        type=folder_to_make,
        help="folder that keeps the decoded images for later runs. They may then be larger than "
        "the memory (default: they are decoded into memory)",
    )
    add_policy(inputs, "eer")
    add_seed(inputs)
    add_output(
        output,
        ".keras",
        metavar="MODEL",
        description="file of the verifier. Its card and a folder are written next to it",
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Train a verifier on images of identities, calibrate it, and measure it on unseen pairs."""
    if settings.weights and not settings.name:
        raise ValueError(f"--weights needs --backbone. Received: --weights={settings.weights}")
    source = Path(settings.source)
    if source.is_dir() and settings.output.resolve().is_relative_to(source.resolve()):
        raise ValueError(
            "The run would be written into IMAGES, where its plots count as images of an identity. "
            f"Choose an output outside of {shown(source)}. Received: -o={shown(settings.output)}"
        )
    images = read_images(settings.source, settings.images_root, settings.columns)
    from siamese_verify.commands.training import Recipe

    size, channels = (48, 1) if settings.name is None else (96, 3)
    recipe = Recipe(
        settings.image_size or size,
        settings.channels or channels,
        settings.policy,
        settings.seed,
        settings.epochs,
        settings.name,
        settings.weights if settings.name is None else settings.weights or "imagenet",
    )
    texts = Texts(settings.output.stem, shown(settings.source))
    trained = train_and_write(
        images, recipe, settings.output, texts, settings.terminal, settings.cache
    )
    finish(settings, trained, settings.output)
    return YES


def train_and_write(
    images: Images,
    recipe: Recipe,
    output: Path,
    texts: Texts,
    terminal: TextIO,
    cache: str | None = None,
) -> Trained:
    """Train a verifier, and write it with its card and its images."""
    check_formats(images)
    from siamese_verify.commands.training import load_parts, make_tower, train
    from siamese_verify.contact_sheet import contact_sheet, write_png
    from siamese_verify.data.skipping import write_skipped
    from siamese_verify.training.resuming.run_folder import RunLock
    from siamese_verify.verification.card import model_card

    folder, card = output.with_name(f"{output.stem}-run"), output.with_suffix(".md")
    _check_is_own(folder, output, card)
    with RunLock(folder):
        tower = make_tower(recipe)  # Before the images are decoded, so that errors come first.
        parts = load_parts(images, recipe, cache, terminal)
        verifier = train(tower, parts, recipe, folder, terminal)
        report = verifier.evaluate(parts.test)
        verifier.save(output)
        text = model_card(
            verifier,
            report,
            name=texts.name,
            data=_data(parts, texts.source),
            recipe=f"`siamese-verify train`, with the settings in `{folder.name}/settings.json`.",
            intended_use=texts.use,
        )
        with replacing(card) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        if parts.skipped:
            write_skipped(parts.skipped, folder / "skipped.csv")
        written = [folder / "outcomes.png"]
        sheet = contact_sheet(parts.test, report.scores, report.threshold)
        write_png(written[0], sheet)
        if importlib.util.find_spec("matplotlib"):
            from siamese_verify.plots import plot_roc

            written.append(folder / "roc.png")
            with replacing(written[1]) as unfinished:
                plot_roc(report).savefig(unfinished, dpi=120)
    left, right, _ = parts.test.pairs.same[0]
    root = Path(images.root or "")
    return Trained(verifier, report, written, (root / left.path, root / right.path))


def _check_is_own(folder: Path, *files: Path) -> None:
    """Raise an error rather than replace files that another command wrote."""
    for file in files:
        if file.exists() and not (folder / "settings.json").exists():
            raise FileExistsError(
                f"{shown(file)} exists, and {shown(folder)} does not hold the run that wrote it. "
                "Remove the file, or choose another output."
            )


def _data(parts: Parts, source: str) -> str:
    training, validation, test, _ = parts
    return (
        f"Source: {source}. No identity is in two of these parts:\n\n"
        f"- training: {len(training):,} images of {len(training.identities):,} identities\n"
        f"- validation: {len(validation):,} pairs of {len(validation.pairs.identities):,} "
        f"identities\n"
        f"- test: {len(test):,} pairs of {len(test.pairs.identities):,} identities"
    )


def finish(settings: Namespace, trained: Trained, output: Path) -> None:
    """Say how good the verifier is, where the files are, and what to type next."""
    card = output.with_suffix(".md")
    if settings.json:
        files = {"model": str(output), "card": str(card), "images": [*map(str, trained.images)]}
        print_json({**trained.report.to_dict(), **files})
        return
    print(f"The verifier is {accuracy_in_words(trained.report)}.")
    print(f"Its file is {shown(output)}, its card {shown(card)}.")
    print(f"Pairs with their scores, right ones in green: {shown(trained.images[0])}")
    for image in trained.images[1:]:
        print(f"ROC curve: {shown(image)}")
    model, one, other = (shlex.quote(str(path)) for path in (output, *trained.example))
    print(f"\nNext: siamese-verify verify {model} {one} {other}")
