"""Many runs: their order, their execution on this machine or a Dask cluster, and their progress."""
