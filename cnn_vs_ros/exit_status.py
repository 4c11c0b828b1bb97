"""Exit statuses that mean the same everywhere, beside 0: done, or arrived."""

FAILED = 2
"""Nothing came of it, with a sentence why."""

MISSED = 3
"""It came to its end, but not to the one asked for: not arrived, not converged, a check not passed."""

INTERRUPTED = 130
"""By Ctrl-C."""
