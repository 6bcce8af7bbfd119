"""The public names, each written once: `siamese_verify/__init__.py` reads this file."""

from siamese_verify.data.augmentation import Augmentation as Augmentation
from siamese_verify.data.identity_dataset import IdentityDataset as IdentityDataset
from siamese_verify.data.image_cache import ImageCache as ImageCache
from siamese_verify.data.pair_dataset import PairDataset as PairDataset
from siamese_verify.data.pairs import PairList as PairList
from siamese_verify.data.preprocessing import Preprocessing as Preprocessing
from siamese_verify.data.samples import Pair as Pair
from siamese_verify.data.samples import Sample as Sample
from siamese_verify.data.shard_index import ShardError as ShardError
from siamese_verify.data.shard_writing import write_shards as write_shards
from siamese_verify.data.sharded_images import ShardedImages as ShardedImages
from siamese_verify.data.table_text import TableError as TableError
from siamese_verify.evaluation.comparison import compare_evaluations as compare_evaluations
from siamese_verify.evaluation.folds import evaluate_folds as evaluate_folds
from siamese_verify.evaluation.report import evaluate_scores as evaluate_scores
from siamese_verify.evaluation.thresholds import choose_threshold as choose_threshold
from siamese_verify.layers.backbone import BackboneTower as BackboneTower
from siamese_verify.layers.backbone import backbone as backbone
from siamese_verify.layers.blocks import ConvBlock as ConvBlock
from siamese_verify.layers.blocks import ResidualBlock as ResidualBlock
from siamese_verify.layers.classifier import CosineClassifier as CosineClassifier
from siamese_verify.layers.fast.spectral import SpectralConv2D as SpectralConv2D
from siamese_verify.layers.flip import FlipAverage as FlipAverage
from siamese_verify.layers.heads.cosine import CosineHead as CosineHead
from siamese_verify.layers.heads.cosine import SigmoidCosineHead as SigmoidCosineHead
from siamese_verify.layers.heads.euclidean import EuclideanHead as EuclideanHead
from siamese_verify.layers.heads.weighted_l1 import WeightedL1Head as WeightedL1Head
from siamese_verify.layers.input_range import InputRange as InputRange
from siamese_verify.layers.multi_crop import MultiCropTower as MultiCropTower
from siamese_verify.layers.tower import ConvTower as ConvTower
from siamese_verify.model import SiameseModel as SiameseModel
from siamese_verify.runtime import OnnxFileError as OnnxFileError
from siamese_verify.runtime import OnnxVerifier as OnnxVerifier
from siamese_verify.scoring import score_blocks as score_blocks
from siamese_verify.scoring import score_matrix as score_matrix
from siamese_verify.scoring import score_pairs as score_pairs
from siamese_verify.training.averages import averaged_weights as averaged_weights
from siamese_verify.training.averages import recompute_batch_norm as recompute_batch_norm
from siamese_verify.training.backbone_adam import BackboneAdam as BackboneAdam
from siamese_verify.training.callbacks.averaged_weights import AveragedWeights as AveragedWeights
from siamese_verify.training.callbacks.epoch_seconds import EpochSeconds as EpochSeconds
from siamese_verify.training.callbacks.koch2015_schedule import Koch2015Schedule as Koch2015Schedule
from siamese_verify.training.callbacks.one_shot_accuracy import OneShotAccuracy as OneShotAccuracy
from siamese_verify.training.callbacks.pair_evaluation import PairEvaluation as PairEvaluation
from siamese_verify.training.callbacks.time_left import TimeLeft as TimeLeft
from siamese_verify.training.fused_adam import FusedAdam as FusedAdam
from siamese_verify.training.losses.identities import MarginSoftmaxLoss as MarginSoftmaxLoss
from siamese_verify.training.losses.identities import (
    SupervisedContrastiveLoss as SupervisedContrastiveLoss,
)
from siamese_verify.training.losses.pairs import ContrastiveLoss as ContrastiveLoss
from siamese_verify.training.metrics.best_threshold_accuracy import (
    BestThresholdAccuracy as BestThresholdAccuracy,
)
from siamese_verify.training.metrics.equal_error_rate import EqualErrorRate as EqualErrorRate
from siamese_verify.training.metrics.true_accept_rate import TrueAcceptRate as TrueAcceptRate
from siamese_verify.training.process_group import ProcessGroup as ProcessGroup
from siamese_verify.training.process_group import ProcessGroupError as ProcessGroupError
from siamese_verify.training.resuming.resumable import Resumable as Resumable
from siamese_verify.training.resuming.run_folder import RunFolderError as RunFolderError
from siamese_verify.training.resuming.run_folder import RunLock as RunLock
from siamese_verify.verification.card import model_card as model_card
from siamese_verify.verification.decision import Decision as Decision
from siamese_verify.verification.decision import Match as Match
from siamese_verify.verification.embedding_shards import EmbeddingShards as EmbeddingShards
from siamese_verify.verification.suspects import mislabelled_images as mislabelled_images
from siamese_verify.verification.suspects import near_duplicates as near_duplicates
from siamese_verify.verification.suspects import thumbnails as thumbnails
from siamese_verify.verification.verifier import Verifier as Verifier
