"""Laying an image over the reference, and judging the result."""
