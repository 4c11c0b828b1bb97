"""Leaving out of an alignment what moves with the camera (see `attached`)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cnn_vs_ros.estimation.fine.samples import Samples


@dataclass(frozen=True)
class Hidden:
    """What is `attached` (h, w) to the camera hides of the scene; `kept` (N,) says which samples it does not."""

    attached: np.ndarray | None
    kept: np.ndarray | None

    @classmethod
    def of(cls, samples: Samples, attached: np.ndarray | None) -> Hidden:
        """Return what is hidden of some samples; without an `attached` image nothing is."""
        if attached is None:
            return cls(None, None)
        return cls(attached, ~_at(attached, samples.across, samples.down))

    def keeps(self, index: np.ndarray | slice, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """Whether neither the samples `index` nor their places in the image, in shares of it, are hidden: (M,)."""
        assert self.attached is not None
        assert self.kept is not None
        return np.asarray(self.kept[index] & ~_at(self.attached, across, down))

    def seen(self, probability: np.ndarray) -> np.ndarray:
        """Return the probability (h, w) of each cell to show the scene, 0 where something is attached."""
        if self.attached is None:
            return probability
        size = probability.shape[::-1]
        hidden = cv2.resize(self.attached.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.where(hidden > 0.0, 0.0, probability)


def _at(mask: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Values (N,) of a mask (h, w) at shares of its width and height (N,)."""
    height, width = mask.shape
    columns = np.clip((across * width).astype(np.intp), 0, width - 1)
    rows = np.clip((down * height).astype(np.intp), 0, height - 1)
    return mask.ravel().take(rows * width + columns)
