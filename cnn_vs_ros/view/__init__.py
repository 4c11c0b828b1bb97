"""A local web page that shows the arm, its cameras, images and errors. Knows no ROS; needs viser."""

from importlib.util import find_spec

if find_spec('viser') is None:
    raise ModuleNotFoundError("the view needs the package viser: pip install 'cnn_vs_ros[view]' or viser")

from cnn_vs_ros.view.page import ViewPage

__all__ = ['ViewPage']
