"""ROS 2 nodes: parameters in, functions of the core, messages out. They and `commander` alone import rclpy."""

from cnn_vs_ros.environment import keep_blas_to_one_core

keep_blas_to_one_core()
