"""The order in which the joints of an arm stand in its commands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ArmError, DescriptionError

Array = NDArray[np.float64]


class JointOrder:
    """Order of joints that the user gives, else that of the controller, else that of the robot description.

    It is settled once: by the user, by the first controller that tells its joints, or at the first motion.
    `is_certain` says whether the user or the controller told it, and the other one does not contradict.

    Args:
        given: the user's; empty: none.
    """

    def __init__(self, given: Sequence[str] = ()) -> None:
        self._given = list(given)
        self._names: list[str] = []
        self._controller: tuple[str, list[str]] | None = None
        self._settled = self.is_certain = bool(given)
        self.joints: list[str] = []

    @property
    def size(self) -> int:
        """How many there are; 0 before a description came."""
        return len(self.joints)

    def take_description(self, names: Sequence[str]) -> None:
        """Take the names of the joints in the order of the robot description.

        Raises:
            DescriptionError: the user's are not the same joints.
            ArmError: those of a controller that has told are not.
        """
        if self._given and sorted(self._given) != sorted(names):
            raise DescriptionError(
                f'parameter joints should be the joints of the arm, {", ".join(names)}, '
                f'in any order but is {", ".join(self._given)}'
            )
        self._names, self.joints = list(names), self._given or list(names)
        if self._controller is not None:
            self.take_controller(*self._controller)

    def take_controller(self, controller: str, joints: Sequence[str]) -> None:
        """Take the joints in the order in which a controller takes its commands.

        Raises:
            ArmError: they are other joints than the arm's, or in another order than that in use.
        """
        self._controller = controller, list(joints)
        if not self._names:
            return
        self.is_certain = False
        if sorted(joints) != sorted(self._names):
            raise ArmError(
                f'{controller} should drive {", ".join(self._names)} but drives {", ".join(joints) or "none"}'
            )
        if self._settled and list(joints) != self.joints:
            raise ArmError(
                f'{controller} should take its joints in the order {", ".join(self.joints)} '
                f'but takes {", ".join(joints)}: set the parameter joints, or start differential_ik anew'
            )
        self.joints, self._settled, self.is_certain = list(joints), True, True

    def settle(self) -> bool:
        """Keep to the present order from now on; say whether it is a guess."""
        guess, self._settled = not self._settled, True
        return guess

    def arrange(self, values: Array) -> list[float]:
        """Values (n,) of the joints in the order of the description as a command.

        Raises:
            ArmError: a command of a wrong length, which a controller does not survive.
        """
        if values.shape != (self.size,):
            raise ArmError(f'a command should have {self.size} values but has shape {values.shape}')
        return [float(values[self._names.index(joint)]) for joint in self.joints]
