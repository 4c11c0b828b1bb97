"""Where a camera sits on an arm, as a calibration wrote it."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transforms3d import euler

from cnn_vs_ros.errors import DescriptionError, HandEyeError
from cnn_vs_ros.foreign.urdf import parse_urdf
from cnn_vs_ros.foreign.yaml_text import read_yaml
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Mount:
    """Where a camera sits, ``flange_T_camera`` (4, 4), and by how many seconds its stamps are late."""

    flange: str
    camera: str
    transform: Array
    stamp_delay: float = 0.0

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Mount:
        """Mount of a file that `save_result` wrote. Raises HandEyeError for another."""
        entries = read_yaml(Path(path).expanduser(), HandEyeError)
        if entries['format_version'] != FORMAT_VERSION:
            raise HandEyeError(f'{path} should have format_version {FORMAT_VERSION}')
        translation, quaternion = entries.numbers('translation', 3), entries.numbers('quaternion_xyzw', 4)
        if len(translation) != 3 or len(quaternion) != 4:
            raise HandEyeError(f'{path} should hold 3 numbers of translation and 4 of quaternion_xyzw')
        rotation = se3.rotation_from_quaternion_xyzw(quaternion)
        return cls(
            entries.text('flange_frame'),
            entries.text('camera_frame'),
            se3.transform(rotation, translation),
            entries.number('stamp_delay', -1.0, 1.0) if 'stamp_delay' in entries else 0.0,  # stills tell none
        )

    def added_to(self, urdf: str) -> str:
        """URDF with the camera fixed to the flange as it is here, whether or not it was in it.

        Raises DescriptionError for what is no URDF, or one without the flange.
        """
        robot = parse_urdf(urdf)
        links = [link.get('name') for link in robot.findall('link')]
        if self.flange not in links:
            raise DescriptionError(
                f'robot description should have the link {self.flange}, to which the camera was calibrated, '
                'but has not'
            )
        if self.camera not in links:
            ElementTree.SubElement(robot, 'link', name=self.camera)
        for joint in robot.findall('joint'):
            child = joint.find('child')
            if child is not None and child.get('link') == self.camera:
                robot.remove(joint)
        joint = ElementTree.SubElement(robot, 'joint', name=f'{self.camera}_as_calibrated', type='fixed')
        ElementTree.SubElement(joint, 'parent', link=self.flange)
        ElementTree.SubElement(joint, 'child', link=self.camera)
        xyz = ' '.join(repr(float(value)) for value in self.transform[:3, 3])
        rpy = ' '.join(repr(float(value)) for value in euler.mat2euler(self.transform[:3, :3], 'sxyz'))
        ElementTree.SubElement(joint, 'origin', xyz=xyz, rpy=rpy)
        return ElementTree.tostring(robot, encoding='unicode')
