"""Informative regions: similarity, entropy, masks."""
