"""Data: the bundled scenes, image folders and uploads."""
