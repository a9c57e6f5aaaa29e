"""The machine: hardware, GPUs, signals, child processes, and progress on the terminal."""
