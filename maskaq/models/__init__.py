"""Models: loading, the bundled model and its training, recording of attention."""
