"""From how far, how near and how obliquely is the reference found in one image? At any roll, and each anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA, DEPTH
from cnn_vs_ros.estimation import load_estimator
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.geometry import map_pixels, se3
from cnn_vs_ros.resources import SHIPPED_MODEL
from training.benchmark.runs import hash_of, reference
from training.benchmark.scenes import scene
from training.benchmark.world import Sensor
from training.progress import progress_bar

Array = NDArray[np.float64]

_ASIDE = 0.01  # m: the reference is not quite in the middle
_RIGHT = 0.01  # widths of the image by which a pose may miss what it shows, in the median

VIEWS = ('0.25', '0.33', '0.5', '2', '3', '4', '45 deg', '60 deg')
"""What is looked from: sizes of the reference in the image, in its own; angles to the normal of the scene."""


def measure(scenes: Sequence[str], images: int, seed: int, model: str = SHIPPED_MODEL) -> dict[str, dict]:
    """Return, for each scene and view, how many of `images` were found, and how many of those wrongly."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    estimator = load_estimator(model)
    result: dict[str, dict] = {}
    with progress_bar(total=len(scenes) * len(VIEWS) * images, unit='image') as bar:
        for shown in scenes:
            estimator.set_reference(reference(shown, seed))
            result[shown] = {}
            for view_index, view in enumerate(VIEWS):
                found = wrong = 0
                for index in range(images):
                    run = hash_of(seed, view_index, index)
                    desired_T_current = pose_of(view, np.random.default_rng(run))
                    estimator.reset()
                    estimator.forget_scene()
                    picture = Sensor(run + 1).expose(scene(shown).image(se3.inverse(desired_T_current)))
                    answer = estimator.estimate(picture)
                    if not answer.is_lost:
                        assert estimator.plane is not None
                        found += 1
                        wrong += _missed(answer.transform, estimator.plane, desired_T_current) > _RIGHT
                    bar.update()
                result[shown][view] = {'images': images, 'found': found, 'wrong': wrong}
    return result


def pose_of(view: str, rng: np.random.Generator) -> Array:
    """``desired_T_current`` (4, 4) of one of VIEWS, at a random roll."""
    aside, roll = rng.uniform(-_ASIDE, _ASIDE, 2), rng.uniform(-np.pi, np.pi)
    rolled = se3.from_pose_vector([*aside, 0, 0, 0, roll])
    if not view.endswith(' deg'):
        return np.asarray(se3.from_pose_vector([0, 0, DEPTH * (1 - 1 / float(view)), 0, 0, 0]) @ rolled)
    about = rng.uniform(-np.pi, np.pi)
    turn = se3.rotation_exp(np.deg2rad(float(view.split()[0])) * np.array([np.cos(about), np.sin(about), 0.0]))
    middle = np.array([0.0, 0.0, DEPTH])
    return np.asarray(se3.transform(turn, middle - turn @ middle) @ rolled)


def _missed(found: Array, plane: ScenePlane, true: Array) -> float:
    """Widths of the image, in the median, between where a pose shows the reference and where it is."""
    across, down = np.meshgrid(np.linspace(0, CAMERA.width - 1, 41), np.linspace(0, CAMERA.height - 1, 31))
    pixels = np.column_stack([across.ravel(), down.ravel()])
    seen, said = (
        map_pixels(each.homography(se3.inverse(pose), CAMERA), pixels)
        for each, pose in ((ScenePlane(DEPTH), true), (plane, found))
    )
    visible = ((seen >= 0) & (seen < CAMERA.size)).all(axis=1)
    return float(np.median(np.linalg.norm(seen - said, axis=1)[visible])) / CAMERA.width


def write(result: dict[str, dict], folder: Path) -> str:
    """Write `view_range.json` to `folder` and return a Markdown table of how many were found rightly."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'view_range.json').write_text(json.dumps(result, indent=1) + '\n')
    lines = [f'| scene | {" | ".join(VIEWS)} | wrong |', '|---' * (len(VIEWS) + 2) + '|']
    for name, views in result.items():
        right = [f'{entry["found"] - entry["wrong"]} of {entry["images"]}' for entry in views.values()]
        lines.append(f'| {name} | {" | ".join(right)} | {sum(entry["wrong"] for entry in views.values())} |')
    return '\n'.join(lines) + '\n'
