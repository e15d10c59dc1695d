"""Random views of images and mixing between them, shared by synthesis and fitting."""
