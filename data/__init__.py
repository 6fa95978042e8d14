"""Datasets and data modules, one file a set or a modality."""

from data.batch import Batch, check_batch
from data.files.errors import DataError
from data.graphs.base import Graphs
from data.graphs.communities import Communities
from data.graphs.generic import CommunitySmall, EgoSmall, Enzymes, Grid
from data.graphs.molecules import QM9Graphs, ZINC250k
from data.images.base import Images
from data.images.cifar10 import CIFAR10
from data.images.coco import COCO
from data.images.degraded import Degraded
from data.images.digits import Digits
from data.images.folder import ImageFolder
from data.images.imagenet import ImageNet
from data.images.lsun import LSUN
from data.images.mnist import MNIST
from data.images.shards import ImageShards
from data.module import DataModule
from data.molecules.base import Molecules
from data.molecules.geom_drugs import GeomDrugs
from data.molecules.qm9 import QM9
from data.molecules.small_molecules import SmallMolecules
from data.order import Draw, SampleOrder
from data.points.base import PointDataset, Points
from data.points.earth import Earth
from data.points.embeddings import Embeddings
from data.points.hyperbolic import HyperbolicMixture
from data.points.mesh_density import MeshDensity
from data.points.rotations import RotationMixture
from data.points.spd import WrappedSPD
from data.points.su3_lattice import SU3Lattice
from data.points.synthetic import Synthetic
from data.points.torsions import RNA, Protein
from data.points.von_mises_fisher import VonMisesFisher
from data.points.wrapped_torus import WrappedTorus
from data.videos.base import Videos
from data.videos.first_frame import FirstFrame
from data.videos.folder import VideoFolder
from data.videos.hdf5 import VideoHDF5
from data.videos.jitter import Jitter
from data.videos.moving_digits import MovingDigits
from data.videos.moving_mnist import MovingMNIST
from data.videos.subjects import MHAD, MUG, NATOPS
from data.videos.ucf101 import UCF101

__all__ = [
    "CIFAR10",
    "COCO",
    "LSUN",
    "MHAD",
    "MNIST",
    "MUG",
    "NATOPS",
    "QM9",
    "RNA",
    "UCF101",
    "Batch",
    "Communities",
    "CommunitySmall",
    "DataError",
    "DataModule",
    "Degraded",
    "Digits",
    "Draw",
    "Earth",
    "EgoSmall",
    "Embeddings",
    "Enzymes",
    "FirstFrame",
    "GeomDrugs",
    "Graphs",
    "Grid",
    "HyperbolicMixture",
    "ImageFolder",
    "ImageNet",
    "ImageShards",
    "Images",
    "Jitter",
    "MeshDensity",
    "Molecules",
    "MovingDigits",
    "MovingMNIST",
    "PointDataset",
    "Points",
    "Protein",
    "QM9Graphs",
    "RotationMixture",
    "SU3Lattice",
    "SampleOrder",
    "SmallMolecules",
    "Synthetic",
    "VideoFolder",
    "VideoHDF5",
    "Videos",
    "VonMisesFisher",
    "WrappedSPD",
    "WrappedTorus",
    "ZINC250k",
    "check_batch",
]
