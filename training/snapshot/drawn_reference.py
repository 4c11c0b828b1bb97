"""A reference as cameras elsewhere would see it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros import geometry
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.pyramid import to_grey, whole_pixels

Array = NDArray[np.float64]


class DrawnReference:
    """The plane of a reference, drawn into images of another size.

    What its mask leaves out moves with the camera: it is no part of the plane, and in every image where it is in
    the reference.

    Attributes:
        camera: of the images, without distortion.
        source_camera: of `source`, of at most twice the resolution.
        source: the reference (h, w[, C]) uint8 that is drawn from.
        at_reference: the reference (H, W[, C]) uint8 at the size of the images.
        shows_plane: (h, w) bool, where `source` does.
        depth: of the plane at the optical axis of the reference, metres.
        normal: (3,) of the plane, in the axes of the reference camera.
    """

    def __init__(
        self,
        reference: Reference,
        size: tuple[int, int],
        channels: Callable[[np.ndarray], np.ndarray] = to_grey,
    ) -> None:
        """Draw into images of `size` (w, h) px, which have the `channels` that this makes of the reference's."""
        self.depth, self.normal = reference.depth, reference.plane.normal
        ideal = reference.camera.undistorted
        self.camera = ideal.resized(*size)
        # Bilinear samples of twice the resolution are very nearly means over a pixel, as a camera takes them; at
        # the reference pose they are exactly those of a resize by area.
        self.source_camera = ideal.resized(min(ideal.width, 2 * size[0]), min(ideal.height, 2 * size[1]))
        self.source = _resized(channels(reference.camera.undistort(reference.image)), self.source_camera.size)
        self.at_reference = _resized(self.source, size)
        self.shows_plane = np.ones(self.source.shape[:2], bool)
        self._attached = np.zeros(size[::-1], bool)
        if reference.mask is not None:
            scene = reference.camera.undistort_mask(reference.mask)
            # A bilinear sample mixes neighbours: those of what is attached are none of the plane.
            whole = whole_pixels(scene, self.source_camera.size).astype(np.uint8)
            self.shows_plane = cv2.erode(whole, np.ones((3, 3))) > 0
            self._attached = ~whole_pixels(scene, size)

    def homography(self, current_T_desired: Array) -> Array:
        """Return the map (3, 3) from pixels of `source` to those of an image at a pose (4, 4)."""
        return geometry.plane_homography(
            current_T_desired, self.depth, self.source_camera, self.camera, self.normal
        )

    def view(
        self,
        current_T_desired: Array,
        fill: float = 0.0,
        surroundings: Callable[[Array], np.ndarray | float] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return an image (H, W[, C]) uint8 at a pose (4, 4), and where (H, W) it shows the plane.

        Past the snapshot it is `fill`, or what `surroundings` returns for the homography: (H, W) or a grey level.
        """
        homography = self.homography(current_T_desired)
        image, shown = geometry.warp_plane(
            self.source,
            current_T_desired,
            self.depth,
            self.source_camera,
            current_camera=self.camera,
            normal=self.normal,
            fill=fill,
        )
        if not self.shows_plane.all():
            plane = self.shows_plane.astype(np.uint8)
            shown &= cv2.warpPerspective(plane, homography, self.camera.size, flags=cv2.INTER_NEAREST) > 0
            image[~shown] = fill
        if surroundings is not None:
            around = np.broadcast_to(surroundings(homography), shown.shape)
            image[~shown] = around[~shown].reshape(-1, *(1,) * (image.ndim - 2))
        image[self._attached] = self.at_reference[self._attached]
        return image, shown & ~self._attached


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
