"""Visual servoing of a camera on a robot arm by a convolutional neural network. The core knows no ROS."""

__version__ = '0.1.0'
