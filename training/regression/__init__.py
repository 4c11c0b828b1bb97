"""Training of a pose regressor on one reference (paper, section III)."""
