"""Run folders: where a run lies, its files, its record."""
