"""What a model says of views of one reference, against the size of the offset; what its scores mean."""
