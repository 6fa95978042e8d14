"""Scores of tokenizers and priors, and the tables of papers."""

from eval.evaluate import evaluate
from eval.evaluation import Evaluation

__all__ = ["Evaluation", "evaluate"]
