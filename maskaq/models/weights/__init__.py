"""Weights files: read without running code from them, and matched to a model key by key."""

from maskaq.models.weights.advice import matching_models
from maskaq.models.weights.fitting import Fitted, fitted, load_weights
from maskaq.models.weights.heads import head_classes
from maskaq.models.weights.reading import first_line
from maskaq.models.weights.state import Weights, read_weights

__all__ = [
    "Fitted",
    "Weights",
    "first_line",
    "fitted",
    "head_classes",
    "load_weights",
    "matching_models",
    "read_weights",
]
