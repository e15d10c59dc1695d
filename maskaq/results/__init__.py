"""Runs on disk: written, read, listed and compared. Nothing here needs torch to read."""
