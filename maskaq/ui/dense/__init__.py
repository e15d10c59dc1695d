"""Segmentation and detection in the playground: a browser component and what it is sent."""
