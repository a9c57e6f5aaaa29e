"""What is behind the scripts: data, selection, methods, training, runs, report. See the README, "How it is built"."""
