"""Figures of runs: accuracies, comparisons, per-tensor reports."""
