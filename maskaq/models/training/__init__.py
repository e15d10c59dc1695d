"""Training of the bundled models; `maskaq.models.train` is its command."""
