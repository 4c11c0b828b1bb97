"""Training data from one reference snapshot, as in section III of the paper."""
