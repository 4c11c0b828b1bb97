"""Distances between the parts of an arm, and to a table, by the collision geometry of its description."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio
from numpy.typing import NDArray

from cnn_vs_ros.control.differential_ik import DifferentialIk, kinematic_model
from cnn_vs_ros.errors import DescriptionError, ParameterError

try:
    import coal
except ImportError:  # its name before version 3
    import hppfcl as coal

Array = NDArray[np.float64]

_LOOK_AHEAD = 1e-3
"""Radians of the fastest joint after which the distances are looked at again."""

_POSTURES = 200
"""Postures over the range of the joints by which neighbours are told from parts that can collide."""

_TABLE = (4.0, 4.0, 0.2)
"""Size of the table, metres; its surface is what counts."""


class CollisionCheck:
    """Slows an arm down towards itself and towards a table, to a halt.

    Where the distance of two parts is under `slow` and falls, the speed is what is left of it above `halt`, as a
    part of ``slow - halt``; motion apart is free (moveit_servo does the same). Parts that are nearer than `slow`
    in half of all postures are neighbours, and not looked at. Joints off the chain are taken to be at zero.

    Args:
        kinematics: of the arm.
        urdf: its description, with collision geometry: primitives, or meshes that are found.
        slow: distance at which slowing down begins, metres.
        halt: distance at which the arm halts, metres.
        table: height of a table in the base frame, metres; None for none.
        packages: folders in which meshes of ``package://`` are looked for.

    Raises:
        DescriptionError: no collision geometry, or a mesh that is not there.
        ParameterError: distances in the wrong order.
    """

    def __init__(
        self,
        kinematics: DifferentialIk,
        urdf: str,
        *,
        slow: float = 0.05,
        halt: float = 0.01,
        table: float | None = None,
        packages: Sequence[str | Path] = (),
    ) -> None:
        if not 0.0 <= halt < slow:
            raise ParameterError(f'collision distances should be 0 <= halt < slow but are {halt} and {slow}')
        self._slow, self._halt = slow, halt
        self._model = kinematic_model(urdf)
        self._data = self._model.createData()
        self._joints = [self._model.joints[self._model.getJointId(name)] for name in kinematics.joint_names]
        self._geometry = self._solids(urdf, packages)
        if table is not None:
            placement = pinocchio.SE3(np.eye(3), np.array([0.0, 0.0, table - 0.5 * _TABLE[2]]))
            self._geometry.addGeometryObject(pinocchio.GeometryObject('table', 0, 0, placement, coal.Box(*_TABLE)))
        self._geometry.addAllCollisionPairs()
        self._geometry_data = self._geometry.createData()
        self._drop_neighbours(kinematics)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names of the parts whose distances are looked at."""
        solids = self._geometry.geometryObjects
        return [(solids[pair.first].name, solids[pair.second].name) for pair in self._geometry.collisionPairs]

    def distances(self, q: Array) -> Array:
        """Distances (p,) of the `pairs` at joint positions `q` (n,), metres; negative where they intersect."""
        configuration = pinocchio.neutral(self._model)
        for joint, position in zip(self._joints, q, strict=True):
            unbounded = joint.nq == 2  # as (cos, sin)
            values = (np.cos(position), np.sin(position)) if unbounded else position
            configuration[joint.idx_q : joint.idx_q + joint.nq] = values
        pinocchio.updateGeometryPlacements(
            self._model, self._data, self._geometry, self._geometry_data, configuration
        )
        pinocchio.computeDistances(self._geometry, self._geometry_data)
        return np.array([result.min_distance for result in self._geometry_data.distanceResults])

    def scale(self, q: Array, velocities: Array) -> float:
        """Part, from 0 to 1, of joint velocities (n,) that may be kept at joint positions `q` (n,)."""
        fastest = float(np.abs(velocities).max(initial=0.0))
        if fastest == 0.0 or not self.pairs:
            return 1.0
        now = self.distances(q)
        near = now < self._slow
        if not near.any():
            return 1.0
        falls = near & (self.distances(q + velocities * (_LOOK_AHEAD / fastest)) < now)
        left = (now[falls] - self._halt) / (self._slow - self._halt)
        return float(np.clip(left.min(initial=1.0), 0.0, 1.0))

    def _solids(self, urdf: str, packages: Sequence[str | Path]) -> Any:
        try:
            geometry = pinocchio.buildGeomFromUrdfString(
                self._model, urdf, pinocchio.GeometryType.COLLISION, None, [str(folder) for folder in packages]
            )
        except (ValueError, RuntimeError) as error:
            raise DescriptionError(f'collision geometry should be readable but: {error}') from error
        if geometry.ngeoms == 0:
            raise DescriptionError('robot description should have collision geometry but has none')
        return geometry

    def _drop_neighbours(self, kinematics: DifferentialIk) -> None:
        lower = np.clip(kinematics.lower, -np.pi, np.pi)
        upper = np.clip(kinematics.upper, -np.pi, np.pi)
        postures = np.random.default_rng(0).uniform(lower, upper, (_POSTURES, len(lower)))
        usual = np.median([self.distances(q) for q in postures], axis=0)
        pairs = [(pair.first, pair.second) for pair in self._geometry.collisionPairs]
        self._geometry.removeAllCollisionPairs()
        for pair, distance in zip(pairs, usual, strict=True):
            if distance >= self._slow:
                self._geometry.addCollisionPair(pinocchio.CollisionPair(*pair))
        self._geometry_data = self._geometry.createData()
