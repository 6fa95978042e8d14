"""Datasets and LightningDataModules, one file a set or a modality."""

from data.batch import Batch, check_batch
from data.cifar10 import CIFAR10
from data.digits import Digits
from data.errors import DataError
from data.folder import ImageFolder
from data.imagenet import ImageNet
from data.mnist import MNIST
from data.module import DataModule
from data.order import Draw, SampleOrder

__all__ = [
    "CIFAR10",
    "MNIST",
    "Batch",
    "DataError",
    "DataModule",
    "Digits",
    "Draw",
    "ImageFolder",
    "ImageNet",
    "SampleOrder",
    "check_batch",
]
