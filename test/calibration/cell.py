"""Tracks and flange poses of a camera with a known mount, computed without images."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.calibration.motion import MotionLimits, first_places, later_places
from cnn_vs_ros.calibration.recording import ArmTrack, Recording
from cnn_vs_ros.calibration.tracks import Tracks
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA

MOUNT = se3.from_pose_vector([0.05, -0.03, 0.08, 0.4, -0.3, 1.9])
DEPTH, ASSUMED, SLOPE = 0.4, 0.5, np.array([0.2, -0.1])
BASE_T_FLANGE = se3.from_pose_vector([0.5, 0.1, 0.4, 2.9, 0.3, -0.2])
LIMITS = MotionLimits()
PLACES = [*first_places(LIMITS), *later_places(LIMITS, MOUNT, DEPTH)]


def recorded(
    places=PLACES,
    *,
    delay=0.0,
    k1=0.0,
    focal=1.0,
    pixel=0.0,
    arm=0.0,
    seed=0,
    mount=None,
    assumed=ASSUMED,
    still=False,
) -> tuple[Recording, Tracks]:
    """Images while the flange goes from place to place, two between two, or `still`, one at each.

    `arm` is the error of a flange pose, metres, and twice as many radians.
    """
    rng = np.random.default_rng(seed)
    corners = [BASE_T_FLANGE @ place for place in (np.eye(4), *places, np.eye(4))]
    true = ArmTrack(np.arange(len(corners)), corners)
    stamps = np.arange(1.0, len(corners) - 1) if still else np.arange(0.5, len(corners) - 1.5, 1 / 2)
    times = stamps if still else np.arange(0, len(corners) - 1, 0.05)
    said = true.at(times)
    if arm:
        said = np.array([pose @ se3.from_pose_vector(rng.normal(0, arm, 6) * (1, 1, 1, 2, 2, 2)) for pose in said])
    points = np.stack(np.meshgrid(np.linspace(60, 580, 6), np.linspace(50, 430, 5)), -1).reshape(-1, 2)
    rays = (points - (CAMERA.cx, CAMERA.cy)) / (focal * CAMERA.fx)
    for _ in range(5):
        bent = (points - (CAMERA.cx, CAMERA.cy)) / (focal * CAMERA.fx)
        rays = bent / (1 + k1 * (rays**2).sum(axis=1, keepdims=True))
    scene = np.column_stack([rays, np.ones(len(rays))])
    scene = scene * (DEPTH / (1 + rays @ SLOPE))[:, None]
    base_T_reference = BASE_T_FLANGE @ MOUNT
    pixels, poses = [], []
    for flange in true.at(stamps):
        reference_T_camera = se3.inverse(base_T_reference) @ flange @ MOUNT
        there = (scene - reference_T_camera[:3, 3]) @ reference_T_camera[:3, :3]
        flat = there[:, :2] / there[:, 2:]
        bent = flat * (1 + k1 * (flat**2).sum(axis=1, keepdims=True))
        pixels.append(bent * focal * CAMERA.fx + (CAMERA.cx, CAMERA.cy) + rng.normal(0, pixel, (len(flat), 2)))
        seen = reference_T_camera.copy()
        seen[:3, 3] *= assumed / DEPTH
        poses.append(seen)
    image = np.zeros((CAMERA.height, CAMERA.width), np.uint8)
    seen = np.ones((len(stamps), len(points)), bool)
    tracks = Tracks(points, np.array(pixels), seen, np.array(poses), SLOPE, np.arange(len(stamps)))
    reference = Reference(image, CAMERA, assumed)
    arm_track = ArmTrack(times, said)
    return Recording(reference, [image] * len(stamps), stamps + delay, arm_track, mount, still=still), tracks
