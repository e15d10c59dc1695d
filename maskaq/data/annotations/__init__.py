"""Images with a class for each pixel or with boxes of objects, from folders as people have them."""

from maskaq.data.annotations.loading import count_annotated, load_annotated

__all__ = ["count_annotated", "load_annotated"]
