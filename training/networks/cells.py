"""The grid of the matcher's cells."""

from __future__ import annotations

STRIDE = 8
"""Side of a cell, pixels."""
CELL_OFFSET = 3.5
"""Pixel of the first cell's centre along either axis, in OpenCV's pixel-centre convention."""
