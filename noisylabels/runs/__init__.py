"""Runs: their folders, files, locks and records."""
