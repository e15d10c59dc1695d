"""The two worlds of the first page: photographs with ViT-Tiny, scenes with the bundled model."""
