"""Node: what a camera at the wrist of an arm that runs elsewhere would see. Its contract is in docs/nodes.md."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from cnn_vs_ros import frames
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.common import stamp_now
from cnn_vs_ros.nodes.running import run_node
from cnn_vs_ros.nodes.simulated_view import SimulatedView
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings
from cnn_vs_ros.simulation import SimulatedRobot


class SimulatedCamera(Node):
    """Adapter from joint_states to the images of a SimulatedRobot that is put where they say."""

    def __init__(self) -> None:
        super().__init__('simulated_camera')
        self._view = SimulatedView(self)
        self._warn = ThrottledWarnings(self.get_logger())
        self._robot: SimulatedRobot | None = None
        self._arm = ArmListener(self, on_kinematics=self._on_kinematics)
        self._image_publisher = self.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
        self._info_publisher = self.create_publisher(CameraInfo, 'camera_info', qos_profile_sensor_data)
        self._truth_publisher = self.create_publisher(PoseStamped, 'ground_truth', 10)
        self.create_timer(1.0 / self._view.image_rate, self.publish_image)

    def shut_down(self) -> None:
        """Let go of the renderer."""
        if self._robot is not None:
            self._robot.close()

    def _on_kinematics(self, kinematics: DifferentialIk, joint_states: JointStates, urdf: str) -> None:
        del kinematics, joint_states
        self._robot = SimulatedRobot(self._view.scene, urdf=urdf, noise=self._view.noise, seed=self._view.seed)
        self.get_logger().info(f'scene {self._robot.scene.name}: {self._robot.scene.summary}')

    @property
    def knows_the_arm(self) -> bool:
        """Whether a robot description has come."""
        return self._robot is not None

    def publish_image(self) -> None:
        """Draw the arm as it is, and publish the image, its calibration and the pose that it is of."""
        # That of the pose, not of when it is drawn: on a busy computer this takes long.
        stamp, frame = stamp_now(self), self._arm.tip_frame
        try:
            kinematics, positions = self._arm.state()
            assert self._robot is not None
            by_name = dict(zip(kinematics.joint_names, positions, strict=True))
            # A joint that does not carry the camera stays where it is drawn.
            self._robot.set_joint_positions(
                [
                    by_name.get(name, drawn)
                    for name, drawn in zip(self._robot.joint_names, self._robot.joint_positions, strict=True)
                ]
            )
            image = self._robot.render()
        except VisualServoingError as error:
            self._warn(f'no image: {error}')
            return
        truth = PoseStamped(pose=messages.pose_to_message(self._robot.world_T_camera))
        truth.header.stamp, truth.header.frame_id = stamp, frames.ROOT
        self._truth_publisher.publish(truth)
        self._info_publisher.publish(messages.camera_to_message(self._robot.camera, stamp, frame))
        self._image_publisher.publish(messages.image_to_message(image, stamp, frame))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run_node(SimulatedCamera, args)
