"""The class of a node, found by the node's name."""

from __future__ import annotations

from importlib import import_module

from rclpy.node import Node


def node_class(name: str) -> type[Node]:
    """The one class of a node that its module defines."""
    module = import_module(f'cnn_vs_ros.nodes.{name}')
    (found,) = (
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Node) and item.__module__ == module.__name__
    )
    return found
