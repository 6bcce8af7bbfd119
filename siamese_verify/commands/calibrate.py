"""`siamese-verify calibrate`: give a verifier another threshold."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_json, add_model, add_output, add_pairs, add_policy
from siamese_verify.commands.inputs import load_pairs, load_verifier
from siamese_verify.commands.outputs import print_json
from siamese_verify.commands.values import review_band, share
from siamese_verify.messages import shown

EXAMPLE = (
    "siamese-verify calibrate faces.keras pairs.csv --images images --policy far=0.01 "
    "-o strict.keras"
)
EXIT_CODES = "0 written"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_pairs(inputs)
    add_policy(inputs)
    inputs.add_argument(
        "--prior",
        metavar="SHARE",
        type=share,
        default=0.5,
        help="share of genuine pairs that you expect in use (default: %(default)s)",
    )
    inputs.add_argument(
        "--review",
        metavar="LOW,HIGH",
        type=review_band,
        help="policies for the ends of a band of scores to review, such as frr=0.01,far=0.001 "
        "(default: no band)",
    )
    add_output(output, ".keras", metavar="NEW", description="file of the new verifier")
    add_json(output)


def run(settings: Namespace) -> int:
    """Choose a threshold on validation pairs, and write a verifier with it."""
    verifier = load_verifier(settings.model)
    data = load_pairs(settings, verifier.preprocessing)
    verifier.calibrate(data, settings.policy, settings.prior, review=settings.review)
    verifier.save(settings.output)
    if settings.json:
        assert verifier.calibration is not None  # `calibrate` has made it.
        print_json(verifier.calibration.to_dict())
    else:
        print(verifier.calibration)
        print(f"The verifier is in {shown(settings.output)}.")
    return YES
