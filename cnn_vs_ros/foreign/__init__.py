"""What comes from outside, as bytes or text: bounded before it is parsed, refused with our own errors."""
