"""Images: the bundled scenes, folders and uploads."""
