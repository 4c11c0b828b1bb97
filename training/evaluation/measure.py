"""How well a model places the camera, against how far the camera is from the reference.

Views are drawn from the reference as for training (paper, section III) but of seeds of their own, at the full size
of the image, and the same ones under every condition.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import DEPTH, HARDEST
from cnn_vs_ros.estimation import Reference, load_estimator, load_model
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.regression.pair_regressor import KIND as PAIR_KIND
from cnn_vs_ros.estimation.regression.pair_regressor import PairNetwork, PairRegressor
from cnn_vs_ros.estimation.regression.regressor import KIND, RegressorNetwork, RelativeRegressor
from cnn_vs_ros.geometry import se3
from training.errors import TrainingError
from training.identity import identity_of
from training.progress import progress_bar
from training.snapshot import occluders
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.perturbations import Perturbations
from training.snapshot.viewpoints import ViewpointDraw

Array = NDArray[np.float64]

SEED = 2_000_003
SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of the offsets of the benchmark's hardest batch
_NOISE = 2.0
CONDITIONS = {
    'nominal': Perturbations(global_light=0.0, local_lights=0.0, occlusion=0.0, noise=_NOISE),
    'lit': Perturbations(global_light=1.0, local_lights=1.0, occlusion=0.0, noise=_NOISE),
    'occluded': Perturbations(global_light=0.0, local_lights=0.0, occlusion=1.0, noise=_NOISE),
    'both': Perturbations(global_light=1.0, local_lights=1.0, occlusion=1.0, noise=_NOISE),
}


@dataclass(frozen=True)
class Answer:
    """One view: how far it was from the reference, and how far off the network and the whole estimator were.

    Millimetres and degrees; null where there was no answer.
    """

    condition: str
    share: float
    view: int
    offset: tuple[float, float]
    network: tuple[float, float] | None
    estimator: tuple[float, float] | None


class Candidate:
    """A model under evaluation: its network alone, and the estimator that it runs in."""

    def __init__(self, model: str, reference: Reference) -> None:
        self._estimator = load_estimator(model)
        self._estimator.set_reference(reference)
        self._network = _network(model, reference)

    def answer(self, image: np.ndarray, desired_T_current: Array) -> tuple[Any, Any]:
        """Return the errors (mm, degrees) of network and estimator, each from this image alone; null for none."""
        self._estimator.reset()
        self._estimator.forget_scene()
        pose = self._estimator.estimate(image)
        found = (self._network(image), None if pose.is_lost else pose.transform)
        network, estimator = (None if one is None else _error(one, desired_T_current) for one in found)
        return network, estimator


def _network(model: str, reference: Reference) -> Callable[[np.ndarray], Array | None]:
    loaded = load_model(model)
    if loaded.kind == PAIR_KIND:
        return PairRegressor(PairNetwork(loaded), reference).pose
    if loaded.kind == KIND:
        return RelativeRegressor(RegressorNetwork(loaded), reference).pose
    pyramid = ImagePyramid(reference.image, reference.camera)
    matcher = ReferenceMatcher(MatcherNetwork(loaded), pyramid, reference.camera)

    def pose(image: np.ndarray) -> Array | None:
        found = list(matcher.hypotheses(matcher.matches(ImagePyramid(image, reference.camera)), reference.plane))
        best = max(found, key=lambda hypothesis: hypothesis.support, default=None)
        return None if best is None else se3.inverse(best.current_T_desired)

    return pose


def _error(found: Array, true: Array) -> tuple[float, float]:
    distance, angle = se3.pose_error(se3.inverse(true) @ found)
    return round(1e3 * distance, 4), round(float(np.rad2deg(angle)), 5)


def evaluate(
    model: str, reference: Reference, output: Path, *, views: int, seed: int = SEED, occluder_folder: Path | None
) -> list[Answer]:
    """Judge `views` views of each share and condition; go on from what `output` holds of the same evaluation.

    Raises TrainingError when `output` holds another evaluation, or `views` is not positive.
    """
    if views < 1:
        raise TrainingError(f'expected at least 1 view, but got {views}')
    cv2.setNumThreads(1)
    path = output / 'answers.jsonl'
    done = _resume(path, _identity(model, reference, seed, occluder_folder))
    reference = _ideal(reference)
    total = views * len(SHARES) * len(CONDITIONS)
    candidate = Candidate(model, reference)
    bank = occluders.build_bank(occluder_folder, seed)
    with progress_bar(total=total, unit='view') as bar, path.open('a') as file:
        for answer in _answers(candidate, reference, bank, views, seed, done):
            if answer.view < views:
                done[answer.condition, answer.share, answer.view] = answer
            file.write(json.dumps(asdict(answer)) + '\n')
            file.flush()
            bar.update(len(done) - bar.n)
    return [answer for answer in done.values() if answer.view < views]


def _answers(
    candidate: Candidate, reference: Reference, bank: Any, views: int, seed: int, done: dict
) -> Iterator[Answer]:
    for share in SHARES:
        x, y, z, *turn = map(float, share * HARDEST)
        draw = ViewpointDraw(translation=(x, y, z), rotation=(turn[0], turn[1], turn[2]), depth=DEPTH)
        settings = SnapshotSettings(
            width=reference.camera.width,
            height=reference.camera.height,
            count=views,
            fine=0,
            seed=seed,
            grey=reference.image.ndim == 2,  # in colour, if the reference is: a regressor may have learned it
            viewpoints=draw,
        )
        generator = SnapshotGenerator(reference, settings, bank)
        for view in range(views):
            for condition, changes in CONDITIONS.items():
                if (condition, share, view) in done:
                    continue
                sample = generator.sample(view, changes)
                pose = se3.from_pose_vector(sample.pose)
                image = sample.image if sample.image.shape[2] == 3 else sample.image[..., 0]
                network, estimator = candidate.answer(np.ascontiguousarray(image), pose)
                yield Answer(condition, share, view, _error(pose, np.eye(4)), network, estimator)


def _ideal(reference: Reference) -> Reference:
    """Return the reference of the ideal camera of the same intrinsics: the generator draws what that one sees."""
    camera = reference.camera
    if camera.undistorted == camera:
        return reference
    mask = None if reference.mask is None else camera.undistort_mask(reference.mask)
    return replace(reference, image=camera.undistort(reference.image), camera=camera.undistorted, mask=mask)


def _identity(model: str, reference: Reference, seed: int, occluder_folder: Path | None) -> dict[str, Any]:
    return {
        'model': hashlib.sha256(load_model(model).path.read_bytes()).hexdigest(),
        **identity_of(reference),
        'normal_sigma': reference.normal_sigma,
        'occluders': occluders.fingerprint(occluder_folder),
        'seed': seed,
    }


def _resume(path: Path, identity: dict[str, Any]) -> dict[tuple[str, float, int], Answer]:
    """Answers written before, by condition, share and view; the first line says of what."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith('\n')]
    if not whole:
        path.write_text(json.dumps(identity) + '\n')
        return {}
    try:
        is_same = json.loads(whole[0]) == identity
        answers = [Answer(**json.loads(line)) for line in whole[1:]]
    except (ValueError, TypeError):
        is_same, answers = False, []
    if not is_same:
        raise TrainingError(
            f'expected {path.parent} to be empty or to hold an interrupted evaluation of this model, reference, '
            'occluders and seed, but it holds something else: choose another output'
        )
    path.write_text(''.join(whole))
    return {(answer.condition, answer.share, answer.view): answer for answer in answers}
