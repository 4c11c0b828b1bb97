"""A recording for a calibration from a bag: images by their stamps, joint states by theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image, JointState

from cnn_vs_ros.bags import BagReader
from cnn_vs_ros.calibration.recording import IMAGE_PERIOD, ArmTrack, Recording
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import BagError, HandEyeError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.image_estimation import looks_rectified

Array = NDArray[np.float64]


def recording_of_bag(
    folder: Path, urdf: str, *, flange: str, camera_frame: str, image: str, depth: float
) -> Recording:
    """Recording of the images on the topic `image` while an arm moved; the first one is the reference.

    `depth` in metres is what the reference's is taken to be. The mount to judge is that of `camera_frame` in the
    URDF, if it has this link.

    Raises BagError, DescriptionError, or HandEyeError for a bag without calibrated images or joint states of this
    arm.
    """
    kinematics = DifferentialIk(urdf, flange)
    with BagReader(folder) as bag:
        shown = bag.topic(image, 'sensor_msgs/msg/Image')
        infos = bag.topic(str(Path(image).with_name('camera_info')), 'sensor_msgs/msg/CameraInfo')
        joints = bag.topic('joint_states', 'sensor_msgs/msg/JointState')
        camera = None
        images: list[np.ndarray] = []
        stamps: list[float] = []
        poses: dict[float, Array] = {}
        heard: set[str] = set()
        positions = None
        for topic, _, data in bag.messages(shown, infos, joints):
            if topic == infos:
                camera = messages.camera_from_message(_read(data, CameraInfo), looks_rectified(shown))
            elif topic == joints:
                state = _read(data, JointState)
                heard |= set(state.name)
                found = dict(zip(state.name, state.position, strict=False))
                if all(name in found for name in kinematics.joint_names):
                    positions = [found[name] for name in kinematics.joint_names]
                    poses[messages.seconds(state.header.stamp)] = kinematics.pose(positions)
            else:
                message = _read(data, Image)
                stamp = messages.seconds(message.header.stamp)
                if not stamps or stamp - stamps[-1] >= IMAGE_PERIOD - 1e-3:
                    images.append(to_grey(messages.image_from_message(message)).copy())
                    stamps.append(stamp)
    if positions is None:
        raise HandEyeError(
            f'joint_states of the bag should be of {", ".join(kinematics.joint_names)} '
            f'but are of {", ".join(sorted(heard)) or "nothing"}: is it another arm?'
        )
    if camera is None or not images:
        raise HandEyeError(f'bag {folder} should hold images with a camera_info but does not')
    links = kinematics.link_poses(positions)
    mount = se3.inverse(links[flange]) @ links[camera_frame] if camera_frame in links else None
    times = sorted(poses)
    arm = ArmTrack(times, [poses[time] for time in times])
    reference = Reference(images[0], camera, depth)
    return Recording(reference, images, np.array(stamps), arm, mount, flange, camera_frame)


def _read(data: bytes, kind: type) -> Any:
    try:
        return deserialize_message(data, kind)
    except Exception as error:  # of the middleware: RuntimeError, RCLError, UnicodeDecodeError, ...
        raise BagError(f'bag should hold whole messages of {kind.__name__} but one is none: {error}') from error
