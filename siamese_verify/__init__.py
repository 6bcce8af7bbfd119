"""Verification with Siamese networks: are two photographs of the same person, part, product?"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from siamese_verify import onednn as _onednn

if TYPE_CHECKING:
    from siamese_verify.augmentation import Augmentation
    from siamese_verify.callbacks import EpochSeconds, Koch2015Schedule, OneShotAccuracy
    from siamese_verify.dataset import PairDataset
    from siamese_verify.evaluation import evaluate_folds, evaluate_scores
    from siamese_verify.layers.heads import CosineHead, EuclideanHead, WeightedL1Head
    from siamese_verify.layers.spectral import SpectralConv2D
    from siamese_verify.layers.tower import ConvBlock, ConvTower
    from siamese_verify.losses import ContrastiveLoss
    from siamese_verify.metrics import BestThresholdAccuracy, EqualErrorRate, TrueAcceptRate
    from siamese_verify.model import SiameseModel
    from siamese_verify.optimizers import Adam
    from siamese_verify.pairs import Pair, PairList, Photo
    from siamese_verify.preprocessing import Preprocessing
    from siamese_verify.scoring import score_blocks, score_matrix, score_pairs
    from siamese_verify.thresholds import choose_threshold
    from siamese_verify.verifier import Decision, Verifier

_MODULES = {
    "Adam": "optimizers",
    "Augmentation": "augmentation",
    "BestThresholdAccuracy": "metrics",
    "ContrastiveLoss": "losses",
    "ConvBlock": "layers.tower",
    "ConvTower": "layers.tower",
    "CosineHead": "layers.heads",
    "Decision": "verifier",
    "EpochSeconds": "callbacks",
    "EqualErrorRate": "metrics",
    "EuclideanHead": "layers.heads",
    "Koch2015Schedule": "callbacks",
    "OneShotAccuracy": "callbacks",
    "Pair": "pairs",
    "PairDataset": "dataset",
    "PairList": "pairs",
    "Photo": "pairs",
    "Preprocessing": "preprocessing",
    "SiameseModel": "model",
    "SpectralConv2D": "layers.spectral",
    "TrueAcceptRate": "metrics",
    "WeightedL1Head": "layers.heads",
    "Verifier": "verifier",
    "choose_threshold": "thresholds",
    "evaluate_folds": "evaluation",
    "evaluate_scores": "evaluation",
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
    "CosineHead",
    "Decision",
    "EpochSeconds",
    "EqualErrorRate",
    "EuclideanHead",
    "Koch2015Schedule",
    "OneShotAccuracy",
    "Pair",
    "PairDataset",
    "PairList",
    "Photo",
    "Preprocessing",
    "SiameseModel",
    "SpectralConv2D",
    "TrueAcceptRate",
    "Verifier",
    "WeightedL1Head",
    "choose_threshold",
    "evaluate_folds",
    "evaluate_scores",
    "score_blocks",
    "score_matrix",
    "score_pairs",
]


def __getattr__(name: str) -> Any:
    # Imported when first used, so that pair lists can be read without TensorFlow.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_onednn.enable()

if "keras" in sys.modules:
    # Keras can load a saved model only if the classes in it have been imported.
    for _module in _MODULES.values():
        importlib.import_module(f"{__name__}.{_module}")
