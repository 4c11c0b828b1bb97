"""A self-test of an arm before its first servo: what its joint states say, and whether it does what it is told."""
