"""Measures of Q: accuracy, agreement, region quality, information, attributions."""
