"""The page: a 3D scene beside images and curves, by viser."""

from __future__ import annotations

import contextlib
import io
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from unittest import mock

import cv2
import numpy as np
import viser
from numpy.typing import ArrayLike, NDArray
from websockets.asyncio import server

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.view.robot_shapes import Shape, robot_edges, robot_shapes

Array = NDArray[np.float64]

HOST = '127.0.0.1'
_WIDTH = 240
_CURRENT, _DESIRED, _PATH = (214, 90, 20), (25, 130, 60), (240, 160, 90)
_FRUSTUM = 0.07
_QUALITY = 80
_LOCAL = re.compile(r'https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?')


class ViewPage:
    """Serves the page on this computer alone, from when it is made until `close`.

    Raises ParameterError when `port` is not free; 0 takes any.
    """

    def __init__(self, port: int = 8080) -> None:
        with contextlib.redirect_stdout(io.StringIO()), _local_origins():  # it prints a banner
            self._server = viser.ViserServer(HOST, _free(port), label='cnn_vs_ros', verbose=False)
        self._shapes: list[Shape] = []
        self._edges: list[tuple[str, str]] = []
        self._nodes: dict[str, list[tuple[Any, Array]]] = {}
        self._frusta: dict[str, Any] = {}
        self._images: Any = None
        self._make_scene()
        self._status = self._server.gui.add_markdown('waiting for the graph')
        self._image_folder = self._server.gui.add_folder('current, desired, difference')
        nothing = (np.zeros(2), np.full(2, np.nan))
        with self._server.gui.add_folder('error'):
            self._plots = [
                self._server.gui.add_uplot(
                    data=nothing,
                    series=({'label': 's'}, {'label': label, 'stroke': colour, 'width': 2}),
                    scales={'x': {'time': False}},
                    height=190,
                )
                for label, colour in (('translation, mm', '#d65a14'), ('rotation, degrees', '#2060c0'))
            ]

    @property
    def address(self) -> str:
        """Where a browser finds the page."""
        return f'http://{HOST}:{self._server.get_port()}'

    def close(self) -> None:
        """Serve it no more."""
        self._server.stop()

    def set_robot(self, urdf: str) -> None:
        """Show another robot: its primitive shapes, or lines between its links where it has none.

        Raises DescriptionError.
        """
        self._shapes, self._edges = robot_shapes(urdf), robot_edges(urdf)
        for nodes in self._nodes.values():
            for node, _ in nodes:
                node.remove()
        self._nodes = {}
        for index, shape in enumerate(self._shapes):
            node = self._add_shape(f'/robot/{index}', shape)
            self._nodes.setdefault(shape.link, []).append((node, shape.link_T_shape))

    def set_links(self, base_T_links: Mapping[str, Array]) -> None:
        """Put the links, by name, at their poses (4, 4) in the base."""
        if not self._shapes:
            ends = [(base_T_links.get(a), base_T_links.get(b)) for a, b in self._edges]
            points = np.array([[a[:3, 3], b[:3, 3]] for a, b in ends if a is not None and b is not None])
            if len(points):
                self._server.scene.add_line_segments('/robot/bones', points, _CURRENT, thickness=0.02)
            return
        for link, nodes in self._nodes.items():
            if link in base_T_links:
                for node, link_T_shape in nodes:
                    _place(node, base_T_links[link] @ link_T_shape)

    def set_cameras(
        self, camera: PinholeCamera, base_T_current: Array, base_T_desired: Array | None, path: ArrayLike = ()
    ) -> None:
        """Show the camera's frustum where it is, where it should be, and the positions (n, 3) it came by."""
        self._show_frustum('current', camera, base_T_current, _CURRENT)
        if base_T_desired is not None:
            self._show_frustum('desired', camera, base_T_desired, _DESIRED)
        positions = np.asarray(path, dtype=np.float64)
        if len(positions) > 1:
            segments = np.stack([positions[:-1], positions[1:]], axis=1)
            self._server.scene.add_line_segments('/path', segments, _PATH, thickness=0.003)

    def set_images(self, images: Sequence[np.ndarray]) -> None:
        """Show current, desired and difference image, each (H, W, 3) BGR uint8."""
        height = round(images[0].shape[0] * _WIDTH / images[0].shape[1])
        small = [cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA) for image in images]
        strip = cv2.cvtColor(np.hstack(small), cv2.COLOR_BGR2RGB)
        if self._images is None:
            with self._image_folder:
                self._images = self._server.gui.add_image(strip, format='jpeg', jpeg_quality=_QUALITY)
        else:
            self._images.image = strip
        if 'current' in self._frusta:
            self._frusta['current'].image = strip[:, :_WIDTH]

    def set_errors(self, times: ArrayLike, translations: ArrayLike, rotations: ArrayLike) -> None:
        """Show errors (n,) in metres and radians over times (n,) in seconds."""
        seconds = np.asarray(times, dtype=np.float64)
        if len(seconds) < 2:
            return
        millimetres, degrees = 1e3 * np.asarray(translations), np.degrees(rotations)
        for plot, values in zip(self._plots, (millimetres, degrees), strict=True):
            plot.data = (seconds, np.asarray(values, dtype=np.float64))

    def set_status(self, text: str) -> None:
        """Show a line of Markdown."""
        if self._status.content != text:
            self._status.content = text

    def _make_scene(self) -> None:
        server = self._server
        server.gui.configure_theme(
            control_layout='fixed', control_width='large', show_logo=False, show_share_button=False
        )
        server.gui.set_panel_label('cnn_vs_ros')
        server.scene.set_up_direction('+z')
        server.scene.configure_environment_map(None)  # it would come from the internet
        server.scene.add_light_ambient('/light', intensity=1.5)
        server.scene.add_grid('/floor', 2.0, 2.0, cell_size=0.1, section_size=0.5, position=(0, 0, -0.003))
        server.initial_camera.position = (1.0, -0.68, 0.52)
        server.initial_camera.look_at = (0.32, 0.0, 0.2)

    def _add_shape(self, name: str, shape: Shape) -> Any:
        scene, size = self._server.scene, shape.size
        if shape.kind == 'box':
            return scene.add_box(name, shape.colour, (size[0], size[1], size[2]))
        if shape.kind == 'cylinder':
            return scene.add_cylinder(name, size[0], size[1], shape.colour)
        return scene.add_icosphere(name, size[0], shape.colour)

    def _show_frustum(self, name: str, camera: PinholeCamera, pose: Array, colour: tuple[int, int, int]) -> None:
        if name not in self._frusta:
            self._frusta[name] = self._server.scene.add_camera_frustum(
                f'/{name}',
                fov=2 * float(np.arctan(camera.height / 2 / camera.fy)),
                aspect=camera.width / camera.height,
                scale=_FRUSTUM,
                color=colour,
                thickness=0.004,
                format='jpeg',
                jpeg_quality=_QUALITY,
            )
        _place(self._frusta[name], pose)


@contextlib.contextmanager
def _local_origins() -> Iterator[None]:
    """Have the server that is made meanwhile refuse browsers whose page is of another computer.

    A browser lets any page open a WebSocket to this computer, and names the page's origin; viser does not ask.
    """
    with mock.patch.object(server, 'serve', partial(server.serve, origins=[_LOCAL, None])):  # None: no browser
        yield


def _place(node: Any, pose: Array) -> None:
    x, y, z, w = se3.quaternion_xyzw(pose[:3, :3])
    node.wxyz, node.position = (w, x, y, z), pose[:3, 3]


def _free(port: int) -> int:
    """`port` if it is free, or any free one for 0: viser itself would silently take another."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ParameterError(f'port {port} should be free for the page but is not: {error}') from error
        return int(probe.getsockname()[1])
