"""Datasets and LightningDataModules, one file a set or a modality."""

from data.batch import Batch, check_batch
from data.digits import Digits
from data.errors import DataError
from data.mnist import MNIST
from data.module import DataModule
from data.order import Draw, SampleOrder

__all__ = [
    "MNIST",
    "Batch",
    "DataError",
    "DataModule",
    "Digits",
    "Draw",
    "SampleOrder",
    "check_batch",
]
