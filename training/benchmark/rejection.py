"""Does the estimator say `lost` when it should? Images without the reference, with and without a track."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from cnn_vs_ros.benchmark import HARDEST
from cnn_vs_ros.estimation import load_estimator
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.resources import SHIPPED_MODEL
from training.benchmark.runs import hash_of, reference
from training.benchmark.scenes import scene
from training.benchmark.strangers import KINDS
from training.benchmark.world import Sensor
from training.progress import progress_bar

_TRACKED = 3  # images of the reference's surroundings before, where there is a track


def measure(scenes: Sequence[str], images: int, seed: int, model: str = SHIPPED_MODEL) -> dict[str, dict]:
    """Return, for each kind, the share of `images` images a scene that were called lost.

    `cold` without a track, `tracked` right after images that showed the reference.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    estimator = load_estimator(model)
    called: dict[str, dict[str, list[bool]]] = {kind: {'cold': [], 'tracked': []} for kind in KINDS}
    with progress_bar(total=len(scenes) * len(KINDS) * images, unit='image') as bar:
        for shown in scenes:
            estimator.set_reference(reference(shown, seed))
            for kind_index, kind in enumerate(KINDS):
                for index in range(images):
                    run = hash_of(seed, kind_index, index)
                    rng, sensor = np.random.default_rng(run), Sensor(run + 1)
                    estimator.reset()
                    estimator.forget_scene()
                    tracked = index % 2 == 1
                    for _ in range(_TRACKED if tracked else 0):
                        near = se3.from_pose_vector(0.05 * HARDEST * rng.standard_normal(6))
                        estimator.estimate(sensor.expose(scene(shown).image(se3.inverse(near))))
                    other = scene(str(rng.choice([name for name in scenes if name != shown])))
                    pose = se3.inverse(se3.from_pose_vector(rng.uniform() * HARDEST * rng.standard_normal(6)))
                    picture = sensor.expose(KINDS[kind](scene(shown), other, pose, rng))
                    answer = estimator.estimate(picture)
                    called[kind]['tracked' if tracked else 'cold'].append(answer.is_lost)
                    bar.update()
    return {
        kind: {how: {'images': len(lost), 'lost': float(np.mean(lost))} for how, lost in both.items() if lost}
        for kind, both in called.items()
    }


def write(result: dict[str, dict], folder: Path) -> str:
    """Write `rejection.json` to `folder` and return a Markdown table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'rejection.json').write_text(json.dumps(result, indent=1) + '\n')
    lines = ['| image | called lost, without a track | with a track | images |', '|---|---|---|---|']
    for kind, both in result.items():
        rates = [f'{100 * both[how]["lost"]:.1f} %' if how in both else '-' for how in ('cold', 'tracked')]
        lines.append(f'| {kind} | {" | ".join(rates)} | {sum(entry["images"] for entry in both.values())} |')
    return '\n'.join(lines) + '\n'
