"""Finding the reference in an image from that image alone."""
