"""Replaying a bag through the estimator, image by image, without a graph: ``python -m cnn_vs_ros replay``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cnn_vs_ros.bags import BagReader
from cnn_vs_ros.errors import BagError, PoseError
from cnn_vs_ros.estimation import Estimator, Reference, load_estimator
from cnn_vs_ros.geometry import PoseStatus, se3
from cnn_vs_ros.geometry.relative_pose import NO_REFERENCE
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.image_estimation import ImageEstimation, looks_rectified
from cnn_vs_ros.run.replayed import ReplayedImage, check_writable, sentence, write_replay

Array = NDArray[np.float64]

_KINDS = {
    Image: 'sensor_msgs/msg/Image',
    CompressedImage: 'sensor_msgs/msg/CompressedImage',
    CameraInfo: 'sensor_msgs/msg/CameraInfo',
    DiagnosticArray: 'diagnostic_msgs/msg/DiagnosticArray',
    PoseWithCovarianceStamped: 'geometry_msgs/msg/PoseWithCovarianceStamped',
    TwistStamped: 'geometry_msgs/msg/TwistStamped',
}


def replay(
    bag: BagReader, estimator: Estimator, *, image: str = 'image_raw', every: bool = False
) -> Iterator[ReplayedImage]:
    """Estimate the images of a bag in their order, each once: those of `image`, or else of `image`/compressed.

    The motion sent, where it is recorded, carries the track as it did then.
    Unless `every` image is wanted, only those are taken that the recorded estimator answered for (it skips images
    when it is late), and the track is begun anew where it began one: then both should agree.
    Raises BagError when the bag has no images with a camera_info.
    """
    name = image.removesuffix(messages.COMPRESSED)
    images, kind = _images(bag, name)
    infos = bag.topic(str(Path(name).with_name('camera_info')), _KINDS[CameraInfo])
    said = _statuses(bag, needed=not every)
    poses = _poses(bag)
    twists = _topic_if_any(bag, 'twist', TwistStamped)
    estimation = ImageEstimation(estimator)
    estimation.set_rectified(looks_rectified(images))
    waiting: Image | CompressedImage | None = None
    for topic, _, data in bag.messages(images, infos, twists):
        if topic == twists:
            estimation.take_twist(_read(data, TwistStamped))
        elif topic == infos:
            estimation.take_camera_info(_read(data, CameraInfo))
        else:
            waiting = _read(data, kind)
        if waiting is None or not estimation.has_camera_info:
            continue
        stamp, message, waiting = messages.stamp_of(waiting), waiting, None
        if not every and said.get(stamp, NO_REFERENCE) == NO_REFERENCE:
            continue
        if not every and said[stamp] == PoseStatus.ACQUIRED.value:
            estimator.reset()
        began = time.perf_counter()
        sighting = estimation.estimate(message)
        yield ReplayedImage(
            stamp,
            sighting.word,
            sighting.confidence,
            sighting.pose.vector if sighting.found and sighting.pose is not None else None,
            said.get(stamp, ''),
            poses.get(stamp),
            1e3 * (time.perf_counter() - began),
        )


def _images(bag: BagReader, name: str) -> tuple[str, type]:
    """Topic and type of the images that were recorded, the uncompressed ones where there are both."""
    try:
        return bag.topic(name, _KINDS[Image]), Image
    except BagError:
        compressed = _topic_if_any(bag, f'{name}{messages.COMPRESSED}', CompressedImage)
        if not compressed:
            raise
    return compressed, CompressedImage


def _statuses(bag: BagReader, needed: bool) -> dict[int, str]:
    if needed:
        topic = bag.topic('pose_status', _KINDS[DiagnosticArray])
    else:
        topic = _topic_if_any(bag, 'pose_status', DiagnosticArray)
    read = (_read(data, DiagnosticArray) for _, _, data in bag.messages(topic))
    return {messages.stamp_of(message): message.status[0].message for message in read if message.status}


def _poses(bag: BagReader) -> dict[int, Array]:
    topic = _topic_if_any(bag, 'relative_pose', PoseWithCovarianceStamped)
    read = (_read(data, PoseWithCovarianceStamped) for _, _, data in bag.messages(topic))
    try:
        return {
            messages.stamp_of(item): se3.pose_vector(messages.pose_from_message(item.pose.pose)) for item in read
        }
    except PoseError as error:
        raise BagError(f'bag should hold estimates that are poses but: {error}') from error


def _read(data: bytes, kind: type) -> Any:
    try:
        return deserialize_message(data, kind)
    except Exception as error:  # of the middleware: RuntimeError, RCLError, UnicodeDecodeError, ...
        raise BagError(f'bag should hold messages of type {_KINDS[kind]} but one is none: {error}') from error


def _topic_if_any(bag: BagReader, name: str, message: type) -> str:
    try:
        return bag.topic(name, _KINDS[message])
    except BagError:
        return ''


def run(bag: Path, reference: Path | None, model: str, output: Path | None, image: str, every: bool) -> str:
    """Replay a bag, write what came of it to the folder `output` or `replay` in the bag, and return a sentence.

    Raises BagError, ReferenceFolderError, ModelError.
    """
    if bag.is_file():
        raise BagError(f'a bag should be the folder that record wrote but {bag} is a file: try {bag.parent}')
    if not bag.is_dir():
        raise BagError(f'a bag should be the folder that record wrote but there is none at {bag}')
    estimator = load_estimator(model)
    estimator.set_reference(Reference.load(reference or bag / 'reference'))
    output = output or bag / 'replay'
    check_writable(output)
    with BagReader(bag) as reader:
        images = list(replay(reader, estimator, image=image, every=every))
    if not images:
        raise BagError(f'{bag} should hold images that were estimated but holds none (try --every-image)')
    files = write_replay(output, images)
    return '\n'.join([sentence(images), *map(str, files)])
