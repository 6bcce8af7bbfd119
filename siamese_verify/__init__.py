"""Verification with Siamese networks: are two photographs of the same person, part, product?"""

from siamese_verify.augmentation import Augmentation as Augmentation
from siamese_verify.dataset import PairDataset as PairDataset
from siamese_verify.images import Preprocessing as Preprocessing
from siamese_verify.layers.heads import CosineHead as CosineHead
from siamese_verify.layers.heads import EuclideanHead as EuclideanHead
from siamese_verify.layers.heads import WeightedL1Head as WeightedL1Head
from siamese_verify.layers.tower import ConvBlock as ConvBlock
from siamese_verify.layers.tower import ConvTower as ConvTower
from siamese_verify.losses import ContrastiveLoss as ContrastiveLoss
from siamese_verify.metrics import BestThresholdAccuracy as BestThresholdAccuracy
from siamese_verify.metrics import EqualErrorRate as EqualErrorRate
from siamese_verify.metrics import TrueAcceptRate as TrueAcceptRate
from siamese_verify.model import SiameseModel as SiameseModel
from siamese_verify.pairs import PairList as PairList
