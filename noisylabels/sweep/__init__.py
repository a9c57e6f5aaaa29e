"""Many runs: what is to be done in which order, on this machine or on a Dask cluster, and how far it is."""
