"""`siamese-verify card`: write a model card."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup
from pathlib import Path

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_json, add_model, add_output, add_pairs
from siamese_verify.commands.inputs import load_pairs, load_verifier
from siamese_verify.commands.outputs import accuracy_in_words, print_json
from siamese_verify.files import replacing
from siamese_verify.messages import shown

EXAMPLE = "siamese-verify card faces.keras test.csv -o faces.md --use 'Doors of our office.'"
EXIT_CODES = "0 written"
_UNKNOWN = "Not stated."


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_pairs(inputs)
    texts = {
        "name": "name of the model (default: name of its file)",
        "data": f"text about its training images (default: {_UNKNOWN})",
        "recipe": f"text about its training (default: {_UNKNOWN})",
        "use": f"text about its intended use (default: {_UNKNOWN})",
    }
    for name, description in texts.items():
        inputs.add_argument(f"--{name}", metavar="TEXT", help=description)
    add_output(output, ".md", metavar="CARD", description="card to write, in Markdown")
    add_json(output)


def run(settings: Namespace) -> int:
    """Measure a verifier on test pairs, and write its model card."""
    verifier = load_verifier(settings.model)
    report = verifier.evaluate(load_pairs(settings, verifier.preprocessing))
    from siamese_verify.verification.card import model_card

    text = model_card(
        verifier,
        report,
        name=settings.name or Path(settings.model).stem,
        data=settings.data or _UNKNOWN,
        recipe=settings.recipe or _UNKNOWN,
        intended_use=settings.use or _UNKNOWN,
    )
    with replacing(settings.output) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    if settings.json:
        print_json(report.to_dict())
    else:
        print(f"The verifier is {accuracy_in_words(report)}.")
        print(f"The card is in {shown(settings.output)}.")
    return YES
