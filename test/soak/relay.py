"""Node between the camera and the graph that loses, delays and damages images, and tells the time.

It republishes camera/image_raw and camera/camera_info as image_raw and camera_info, and /clock as wall time with
an offset, by which it restamps the images. The topic ~/fault (std_msgs/String) holds a fault as JSON:
{"kind": ..., "clock_jump": seconds}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Int64, String

from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.common import NEWEST, steady_clock
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.running import run_node

_CLOCK_PERIOD = 0.005
_LATE = 0.5
"""Seconds of the fault late: more than any timeout allows."""


class FaultRelay(Node):
    """Adapter from camera/* to image_raw and camera_info, with faults."""

    def __init__(self) -> None:
        super().__init__('fault_relay')
        seed = declare(self, 'seed', 0, 'Seed of the faults.', bounds=(0, 2**31 - 1), read_only=True)
        self._random = np.random.default_rng(seed)
        self._kind, self._offset = '', 0.0
        self._held: list[tuple[float, Image]] = []
        self._frozen: Image | None = None
        self._advertise()
        self._clock = self.create_publisher(ClockMessage, '/clock', 10)
        self.create_subscription(Image, 'camera/image_raw', self._on_image, NEWEST)
        self.create_subscription(CameraInfo, 'camera/camera_info', self._on_info, NEWEST)
        self.create_subscription(String, '~/fault', self._on_fault, 10)
        self._taken = self.create_publisher(Int64, '~/taken', 10)
        self._number = -1
        self.create_timer(_CLOCK_PERIOD, self._tick, clock=steady_clock())

    def _advertise(self) -> None:
        self._images = self.create_publisher(Image, 'image_raw', NEWEST)
        self._infos = self.create_publisher(CameraInfo, 'camera_info', NEWEST)

    def _on_fault(self, message: String) -> None:
        fault = json.loads(message.data)
        number = int(fault.get('number', self._number + 1))
        self._taken.publish(Int64(data=number))
        if number == self._number:  # said again, for want of an answer
            return
        self._number = number
        self._kind, self._frozen = str(fault.get('kind', '')), None
        self._offset += float(fault.get('clock_jump', 0.0))
        if self._kind == 'resolution':  # as a camera driver that was ended and started again
            self.destroy_publisher(self._images)
            self.destroy_publisher(self._infos)
            self._advertise()

    def _tick(self) -> None:
        if self._kind != 'no_clock':
            self._clock.publish(ClockMessage(clock=self._stamp(time.time())))
        due = [image for when, image in self._held if when <= time.monotonic()]
        self._held = [(when, image) for when, image in self._held if when > time.monotonic()]
        for image in due:
            self._images.publish(image)

    def _stamp(self, seconds: float) -> Time:
        whole, nanoseconds = divmod(round(1e9 * (seconds + self._offset)), 1_000_000_000)
        return Time(sec=whole, nanosec=nanoseconds)

    def _on_info(self, info: CameraInfo) -> None:
        info.header.stamp = self._stamp(messages.seconds(info.header.stamp))
        if self._kind == 'zero_k':
            info.k, info.p = np.zeros(9), np.zeros(12)  # P would do in its place
        elif self._kind == 'resolution':
            camera = messages.camera_from_message(info).resized(320, 240)
            info = messages.camera_to_message(camera, info.header.stamp, info.header.frame_id)
        elif self._kind == 'calibration':
            info.k[0] *= 1.1
        self._infos.publish(info)

    def _on_image(self, image: Image) -> None:
        image.header.stamp = self._stamp(messages.seconds(image.header.stamp))
        kind, random, now = self._kind, self._random, time.monotonic()
        if kind == 'silent' or (kind == 'drop' and random.random() < 0.5):
            return
        if kind == 'late':
            self._held.append((now + _LATE, image))
            return
        if kind == 'reorder':
            self._held.append((now + random.uniform(0.0, 0.1), image))
            return
        self._images.publish(self._damaged(image))
        if kind == 'duplicate':
            self._images.publish(image)

    def _damaged(self, image: Image) -> Image:
        if self._kind == 'encoding':
            image.encoding = '32FC1'
        elif self._kind == 'size':
            image.height -= 1
        elif self._kind == 'step':
            image.step = 7
        elif self._kind.startswith('frozen'):
            return self._repeated(image)
        elif self._kind == 'turned':
            turned = messages.image_from_message(image)[::-1, ::-1]
            return messages.image_to_message(turned, image.header.stamp, image.header.frame_id)
        elif self._kind == 'empty':
            image.data = []
        elif self._kind == 'hidden':
            noise = self._random.integers(100, 110, (image.height, image.width, 3), dtype=np.uint8)
            return messages.image_to_message(noise, image.header.stamp, image.header.frame_id)
        elif self._kind == 'resolution':
            small = cv2.resize(messages.image_from_message(image), (320, 240))
            return messages.image_to_message(small, image.header.stamp, image.header.frame_id)
        return image

    def _repeated(self, image: Image) -> Image:
        """The first picture of the fault with the stamp of this one; noisy: with random last bits."""
        if self._frozen is None:
            self._frozen = image
        picture = messages.image_from_message(self._frozen)
        if self._kind == 'frozen, noisy':
            picture = picture ^ self._random.integers(0, 2, picture.shape, dtype=np.uint8)
        return messages.image_to_message(picture, image.header.stamp, image.header.frame_id)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run_node(FaultRelay, args)


if __name__ == '__main__':
    sys.exit(main())
