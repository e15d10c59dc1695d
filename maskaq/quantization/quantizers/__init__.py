"""Quantizers: uniform and logarithmic grids, their range search and learned step sizes."""
