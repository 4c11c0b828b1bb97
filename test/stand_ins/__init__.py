"""Small stand-ins for neighbours that are not on PyPI, which behave as their documentation says."""
