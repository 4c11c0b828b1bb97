"""The reference that an estimator has and its folder: read, written, kept with what images taught of the plane."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnn_vs_ros.errors import ReferenceFolderError, VisualServoingError
from cnn_vs_ros.estimation.estimator import Estimator
from cnn_vs_ros.estimation.reference import Reference

SURER = 0.7
"""A belief about the plane is kept once it has this part of the standard deviation that the folder states."""


class KeptReference:
    """Gives an estimator its references, and remembers which `folder` holds the one in use."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self.folder = Path()
        self._held: Reference | None = None  # as the folder held it when it was last read or written

    def load(self, folder: str | os.PathLike[str], mask: np.ndarray | None = None) -> Reference:
        """Have the estimator use the reference in `folder`, with `mask` (H, W) if it has none of its own.

        Raises VisualServoingError; the estimator then has the reference that it had.
        """
        held = Reference.load(folder)
        used = held if mask is None or held.mask is not None else replace(held, mask=mask)
        self._estimator.set_reference(used)
        self.folder, self._held = Path(folder), held
        return used

    def save(self, reference: Reference, folder: str | os.PathLike[str]) -> Path:
        """Have the estimator use a new reference and write it to `folder`, or neither.

        Raises VisualServoingError or OSError; the estimator then has the reference, and the plane, that it had, or
        none.
        """
        previous, plane = self._estimator.reference, self._estimator.believed_plane
        self._estimator.set_reference(reference)
        try:
            self.folder = reference.save(folder)
        except (VisualServoingError, OSError):
            if previous is None:
                self._estimator.forget_reference()
            else:
                self._estimator.set_reference(previous if plane is None else previous.of_plane(plane))
            raise
        self._held = reference
        return self.folder

    def keep_plane(self) -> Reference | None:
        """Write into the folder how the plane is turned, if the estimator is clearly surer of that than it is.

        Another image that is there by now, or another normal that somebody gave, stays as it is, and so does all
        else in the folder. Returns what it holds now if it was written, else None. Raises ReferenceFolderError or
        OSError where it cannot be written.
        """
        known, plane = self._held, self._estimator.believed_plane
        if known is None or plane is None:
            return None
        try:
            held = Reference.load(self.folder)
        except ReferenceFolderError:  # gone, or no reference any more
            return None
        is_ours = held.sha256 == known.sha256
        is_as_known = (held.normal, held.normal_sigma) == (known.normal, known.normal_sigma)
        if not (is_ours and is_as_known and plane.sigma < SURER * held.plane.sigma):
            return None
        kept = held.of_plane(plane)
        kept.save(self.folder)
        self._held = kept
        return kept
