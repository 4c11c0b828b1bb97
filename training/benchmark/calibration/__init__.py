"""Calibrations of simulated arms with random mounts, beside a board's."""
