"""Datasets and LightningDataModules, one file a set or a modality."""

from data.batch import Batch, check_batch
from data.cifar10 import CIFAR10
from data.digits import Digits
from data.earth import Earth
from data.embeddings import Embeddings
from data.errors import DataError
from data.folder import ImageFolder
from data.hyperbolic import HyperbolicMixture
from data.imagenet import ImageNet
from data.images import Images
from data.mesh_density import MeshDensity
from data.mnist import MNIST
from data.module import DataModule
from data.order import Draw, SampleOrder
from data.points import PointDataset, Points
from data.rotations import RotationMixture
from data.spd import WrappedSPD
from data.su3_lattice import SU3Lattice
from data.synthetic import Synthetic
from data.torsions import RNA, Protein
from data.von_mises_fisher import VonMisesFisher
from data.wrapped_torus import WrappedTorus

__all__ = [
    "CIFAR10",
    "MNIST",
    "RNA",
    "Batch",
    "DataError",
    "DataModule",
    "Digits",
    "Draw",
    "Earth",
    "Embeddings",
    "HyperbolicMixture",
    "ImageFolder",
    "ImageNet",
    "Images",
    "MeshDensity",
    "PointDataset",
    "Points",
    "Protein",
    "RotationMixture",
    "SU3Lattice",
    "SampleOrder",
    "Synthetic",
    "VonMisesFisher",
    "WrappedSPD",
    "WrappedTorus",
    "check_batch",
]
