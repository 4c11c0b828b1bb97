"""Networks of the training package, in torch."""
