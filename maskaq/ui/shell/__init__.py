"""The frame around every page: router, sidebar, uploads, lessons."""
