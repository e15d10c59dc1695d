"""Parts of pages, each with one subject."""
