"""Images with a class for each pixel or with boxes of objects, from folders as people have them."""

from maskaq.data.annotations.loading import AnnotatedImages, load_annotated

__all__ = ["AnnotatedImages", "load_annotated"]
