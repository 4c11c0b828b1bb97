"""ROS 2 nodes: parameters in, functions of the core, messages out. The only part that imports rclpy."""
