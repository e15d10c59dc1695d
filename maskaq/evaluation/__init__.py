"""How good Q is: accuracy, agreement, region quality, information, attributions."""
