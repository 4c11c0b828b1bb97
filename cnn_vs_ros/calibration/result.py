"""A calibration as a file: what nodes read, and what people paste."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray
from transforms3d import euler

from cnn_vs_ros.calibration.mount import FORMAT_VERSION
from cnn_vs_ros.calibration.solver import Solution
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

RESULT_FILE = 'calibration.yaml'


def save_result(solution: Solution, flange: str, camera: str, path: Path) -> None:
    """Write the calibration as YAML, numbers with their standard deviations."""
    distance, angle = solution.sigma
    entries = {
        'format_version': FORMAT_VERSION,
        'flange_frame': flange,
        'camera_frame': camera,
        'translation': _floats(solution.mount[:3, 3]),
        'quaternion_xyzw': _floats(se3.quaternion_xyzw(solution.mount[:3, :3])),
        'translation_standard_deviation': distance,
        'rotation_standard_deviation': angle,
        **(
            {}
            if solution.delay is None or solution.delay_sigma is None
            else {
                'stamp_delay': float(solution.delay),
                'stamp_delay_standard_deviation': float(solution.delay_sigma),
            }
        ),
        'depth': solution.depth,
        'depth_standard_deviation': solution.depth_sigma,
        'normal': _floats(solution.normal),
        'normal_standard_deviation': solution.normal_sigma,
        'lens': {
            name: {'value': float(value), 'standard_deviation': float(sigma)}
            for name, (value, sigma) in solution.lens.items()
        },
    }
    path.write_text(yaml.safe_dump(entries, sort_keys=False))


def calibrated_camera(camera: PinholeCamera, solution: Solution) -> PinholeCamera:
    """The camera with what was found of its lens; k1 is added to that which it had.

    A fisheye (equidistant) has no such coefficient: it stays as it was.
    """
    known = {'fx': camera.fx, 'fy': camera.fy, 'cx': camera.cx, 'cy': camera.cy, 'k1': 0.0}
    known |= {name: value for name, (value, _) in solution.lens.items()}
    distortion = camera.distortion
    if known['k1'] and camera.distortion_model in ('plumb_bob', 'rational_polynomial'):
        first, *others = distortion or (0.0, 0.0, 0.0, 0.0)
        distortion = (first + known['k1'], *others)
    return replace(camera, fx=known['fx'], fy=known['fy'], cx=known['cx'], cy=known['cy'], distortion=distortion)


def camera_info_yaml(camera: PinholeCamera, name: str) -> str:
    """Calibration of a camera in the format of camera_calibration and camera_info_manager."""
    coefficients = list(camera.distortion) or [0.0] * 5
    k = camera.matrix
    entries = {
        'image_width': camera.width,
        'image_height': camera.height,
        'camera_name': name,
        'camera_matrix': _matrix(k),
        'distortion_model': camera.distortion_model,
        'distortion_coefficients': {'rows': 1, 'cols': len(coefficients), 'data': _floats(coefficients)},
        'rectification_matrix': _matrix(np.eye(3)),
        'projection_matrix': _matrix(np.column_stack([k, np.zeros(3)])),
    }
    return yaml.safe_dump(entries, sort_keys=False)


def to_paste(solution: Solution, flange: str, camera: str) -> str:
    """Lines for a URDF, for static_transform_publisher, and for the parameters of the nodes."""
    x, y, z = solution.mount[:3, 3]
    roll, pitch, yaw = euler.mat2euler(solution.mount[:3, :3], 'sxyz')
    qx, qy, qz, qw = se3.quaternion_xyzw(solution.mount[:3, :3])
    lines = [
        f'<link name="{camera}"/>',
        f'<joint name="{camera}_joint" type="fixed">',
        f'  <parent link="{flange}"/>',
        f'  <child link="{camera}"/>',
        f'  <origin xyz="{x:.6f} {y:.6f} {z:.6f}" rpy="{roll:.6f} {pitch:.6f} {yaw:.6f}"/>',
        '</joint>',
        '',
        f'ros2 run tf2_ros static_transform_publisher --x {x:.6f} --y {y:.6f} --z {z:.6f} --qx {qx:.6f} '
        f'--qy {qy:.6f} --qz {qz:.6f} --qw {qw:.6f} --frame-id {flange} --child-frame-id {camera}',
        '',
        '/**/pose_estimator:',
        '  ros__parameters:',
        f'    depth: {solution.depth:.5f}',
    ]
    if solution.delay is not None:
        lines.append(f'    stamp_delay: {solution.delay:.5f}')
    return '\n'.join(lines)


def _matrix(matrix: Array) -> dict[str, object]:
    return {'rows': matrix.shape[0], 'cols': matrix.shape[1], 'data': _floats(matrix.ravel())}


def _floats(values: ArrayLike) -> list[float]:
    return [float(value) for value in np.ravel(values)]
