"""Networks that regress the pose at once, as in the paper."""
