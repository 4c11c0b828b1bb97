"""The demo: starts the nodes as processes, without a ROS installation, and lets the experiment run."""
