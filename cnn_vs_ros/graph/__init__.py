"""The graph: which nodes there are, what is given to them, and how they are started without ``ros2 launch``."""
