"""Testers for a head, tower, loss or metric of your own.

Each tester runs its rules one after the other. The first broken rule raises an `AssertionError`
that names the rule, the input and what was found. The testers run on the backend that Keras uses,
and each module lists its rules in `RULES`.
"""

from siamese_verify.testing.heads import check_head as check_head
from siamese_verify.testing.losses import check_loss as check_loss
from siamese_verify.testing.metrics import check_metric as check_metric
from siamese_verify.testing.towers import check_tower as check_tower
