"""ROS 2 nodes: parameters in, functions of the core, messages out. The only part that imports rclpy."""

from cnn_vs_ros.environment import keep_blas_to_one_core

keep_blas_to_one_core()
