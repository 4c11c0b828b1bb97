"""Verbs of `python -m training`, one a file: `SUMMARY`, `add_arguments(parser)` and `run(arguments)`."""
