"""Figures of one image: attention, informative regions, attributions."""
