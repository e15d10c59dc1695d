"""Quick answers for the app, computed in a worker process."""
