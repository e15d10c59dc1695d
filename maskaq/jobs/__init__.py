"""Many runs on Dask: the queue, the worker processes, sweeps."""
