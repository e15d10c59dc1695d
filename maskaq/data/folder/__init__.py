"""Labelled images from class folders, tables and Parquet files, and what was left out of them."""

from maskaq.data.folder.finding import subfolder_names
from maskaq.data.folder.images import Images, load_images, split_images
from maskaq.data.folder.layout import count_images, list_images
from maskaq.data.folder.reading import transform_of

__all__ = [
    "Images",
    "count_images",
    "list_images",
    "load_images",
    "split_images",
    "subfolder_names",
    "transform_of",
]
