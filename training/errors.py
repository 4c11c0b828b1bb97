"""The exception of the training package."""

from __future__ import annotations

from cnn_vs_ros.errors import VisualServoingError


class TrainingError(VisualServoingError):
    """A request to the training package that cannot be met; the message is one sentence for the user."""
