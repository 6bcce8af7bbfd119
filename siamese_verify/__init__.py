"""Verification with Siamese networks: are two photographs of the same person, part, product?"""

import functools
import importlib
import sys
from typing import TYPE_CHECKING, Any

from siamese_verify import onednn as _onednn

if TYPE_CHECKING:
    from siamese_verify.augmentation import Augmentation
    from siamese_verify.callbacks import (
        EpochSeconds,
        Koch2015Schedule,
        OneShotAccuracy,
        PairEvaluation,
    )
    from siamese_verify.card import model_card
    from siamese_verify.dataset import PairDataset
    from siamese_verify.decision import Decision, Match
    from siamese_verify.evaluation import evaluate_folds, evaluate_scores
    from siamese_verify.identities import IdentityDataset
    from siamese_verify.layers.classifier import CosineClassifier
    from siamese_verify.layers.flip import FlipAverage
    from siamese_verify.layers.heads import (
        CosineHead,
        EuclideanHead,
        SigmoidCosineHead,
        WeightedL1Head,
    )
    from siamese_verify.layers.multi_crop import MultiCropTower
    from siamese_verify.layers.spectral import SpectralConv2D
    from siamese_verify.layers.tower import ConvBlock, ConvTower, ResidualBlock
    from siamese_verify.losses import (
        ContrastiveLoss,
        MarginSoftmaxLoss,
        SupervisedContrastiveLoss,
    )
    from siamese_verify.metrics import BestThresholdAccuracy, EqualErrorRate, TrueAcceptRate
    from siamese_verify.model import SiameseModel
    from siamese_verify.optimizers import Adam
    from siamese_verify.pairs import Pair, PairList, Photo
    from siamese_verify.preprocessing import Preprocessing
    from siamese_verify.scoring import score_blocks, score_matrix, score_pairs
    from siamese_verify.thresholds import choose_threshold
    from siamese_verify.verifier import Verifier

_MODULES = {
    "Adam": "optimizers",
    "Augmentation": "augmentation",
    "BestThresholdAccuracy": "metrics",
    "ContrastiveLoss": "losses",
    "ConvBlock": "layers.tower",
    "ConvTower": "layers.tower",
    "CosineClassifier": "layers.classifier",
    "CosineHead": "layers.heads",
    "Decision": "decision",
    "EpochSeconds": "callbacks",
    "EqualErrorRate": "metrics",
    "EuclideanHead": "layers.heads",
    "FlipAverage": "layers.flip",
    "IdentityDataset": "identities",
    "Koch2015Schedule": "callbacks",
    "MarginSoftmaxLoss": "losses",
    "Match": "decision",
    "MultiCropTower": "layers.multi_crop",
    "OneShotAccuracy": "callbacks",
    "Pair": "pairs",
    "PairDataset": "dataset",
    "PairEvaluation": "callbacks",
    "PairList": "pairs",
    "Photo": "pairs",
    "Preprocessing": "preprocessing",
    "ResidualBlock": "layers.tower",
    "SiameseModel": "model",
    "SigmoidCosineHead": "layers.heads",
    "SpectralConv2D": "layers.spectral",
    "SupervisedContrastiveLoss": "losses",
    "TrueAcceptRate": "metrics",
    "Verifier": "verifier",
    "WeightedL1Head": "layers.heads",
    "choose_threshold": "thresholds",
    "evaluate_folds": "evaluation",
    "evaluate_scores": "evaluation",
    "model_card": "card",
    "score_blocks": "scoring",
    "score_matrix": "scoring",
    "score_pairs": "scoring",
}

__all__ = [
    "Adam",
    "Augmentation",
    "BestThresholdAccuracy",
    "ContrastiveLoss",
    "ConvBlock",
    "ConvTower",
    "CosineClassifier",
    "CosineHead",
    "Decision",
    "EpochSeconds",
    "EqualErrorRate",
    "EuclideanHead",
    "FlipAverage",
    "IdentityDataset",
    "Koch2015Schedule",
    "MarginSoftmaxLoss",
    "Match",
    "MultiCropTower",
    "OneShotAccuracy",
    "Pair",
    "PairDataset",
    "PairEvaluation",
    "PairList",
    "Photo",
    "Preprocessing",
    "ResidualBlock",
    "SiameseModel",
    "SigmoidCosineHead",
    "SpectralConv2D",
    "SupervisedContrastiveLoss",
    "TrueAcceptRate",
    "Verifier",
    "WeightedL1Head",
    "choose_threshold",
    "evaluate_folds",
    "evaluate_scores",
    "model_card",
    "score_blocks",
    "score_matrix",
    "score_pairs",
]


def __getattr__(name: str) -> Any:
    # Imported when first used, so that pair lists can be read without TensorFlow.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    if "keras" in sys.modules:
        _import_all()
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


@functools.cache
def _import_all() -> None:
    """Keras can load a saved model only if the classes in it have been imported."""
    for module in _MODULES.values():
        importlib.import_module(f"{__name__}.{module}")


_onednn.enable()

if "keras" in sys.modules:
    _import_all()
