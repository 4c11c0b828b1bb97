"""The package's exceptions: one root, and one class for each thing a user hands in."""

from __future__ import annotations


class VisualServoingError(ValueError):
    """Root of the package's exceptions; the message says what was expected and what came."""


class CalibrationError(VisualServoingError):
    """A camera calibration that cannot describe a camera."""


class ImageError(VisualServoingError):
    """An image whose type, shape or size is not the one expected."""


class PoseError(VisualServoingError):
    """A matrix or vector that is not a pose, rotation or twist."""


class ReferenceFolderError(VisualServoingError):
    """A reference folder that is missing, incomplete or inconsistent."""


class HandEyeError(VisualServoingError):
    """Images and arm poses from which the mount of the camera cannot be told."""


class ModelError(VisualServoingError):
    """A model file that is missing, corrupt or made for something else."""


class DescriptionError(VisualServoingError):
    """A robot description that lacks what is asked of it."""


class ParameterError(VisualServoingError):
    """A parameter outside its valid values."""


class BagError(VisualServoingError):
    """A bag that cannot be written or read."""


class ResourceError(VisualServoingError):
    """A shipped data file that is not where an installation has it."""


class EnvironmentVariableError(VisualServoingError):
    """A variable of the process's environment with which nodes cannot work."""


class JointStateError(VisualServoingError):
    """Joint states that are missing, old, not finite or cannot be true."""


class TwistError(VisualServoingError):
    """A twist that the arm should not follow."""


class ArmError(VisualServoingError):
    """An arm that does not do what it is commanded, or that cannot be commanded safely."""


class NotFollowingError(ArmError):
    """An arm that was commanded to move and did not, or moved otherwise."""


class DeafNodeError(VisualServoingError):
    """A node that no message reaches."""


class NoAnswerError(VisualServoingError):
    """A service that does not answer."""


class CommanderError(VisualServoingError):
    """A graph that does not do what a program asks of it."""
