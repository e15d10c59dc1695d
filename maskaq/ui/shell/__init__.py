"""What surrounds every page: router, sidebar, lessons."""
