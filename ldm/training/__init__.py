"""Training of tokenizers and priors with Lightning: modules, callbacks, optimizers."""

from ldm.training.clipping import AdaptiveClip
from ldm.training.fit import TrainerOptions
from ldm.training.learning_rate import Constant, Cosine, Exponential, LateDecay, Milestones
from ldm.training.muon import MuonAdamW
from ldm.training.prior_training import PriorTraining
from ldm.training.riemannian_adam import RiemannianAdam
from ldm.training.selection import Selection
from ldm.training.tokenizer_training import TokenizerTraining
from ldm.training.training import Diverged, Training

__all__ = [
    "AdaptiveClip",
    "Constant",
    "Cosine",
    "Diverged",
    "Exponential",
    "LateDecay",
    "Milestones",
    "MuonAdamW",
    "PriorTraining",
    "RiemannianAdam",
    "Selection",
    "TokenizerTraining",
    "TrainerOptions",
    "Training",
]
