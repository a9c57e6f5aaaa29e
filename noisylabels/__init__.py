"""What is behind the scripts: data, selection, methods, training, runs, report.

See docs/development.md.
"""
