"""Mount, plane, delay and lens from tracks and flange poses: robust least squares with its covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.calibration.first_guess import Guess, guess_of_tracks
from cnn_vs_ros.calibration.problem import (
    BEND,
    CENTRE,
    DELAY,
    FOCAL,
    MOUNT,
    OF_POINT,
    PLANE,
    SHARED,
    Known,
    Linearised,
    Noise,
    Normal,
    Problem,
    State,
)
from cnn_vs_ros.calibration.recording import Recording
from cnn_vs_ros.calibration.tracks import Tracks
from cnn_vs_ros.errors import HandEyeError

Array = NDArray[np.float64]

LENS = {'focal': (FOCAL,), 'centre': (17, 18), 'k1': (BEND,)}
"""What may be asked for of the lens, and its parameters."""

_TOLERATED = {'focal': 0.02, 'centre': 20.0, 'k1': 0.05}
"""Standard deviations (part, pixels, 1) over which a number of the lens is refused."""

_LEAST_NOISE = Noise(0.01, 2e-5, 4e-5, 2e-4)
_INFLATION = 1.6
"""Factor of standard deviations, for what is alike in successive images (`training benchmark --calibration`)."""

_ITERATIONS = 40
_FREEDOM = 4.0
"""Degrees of freedom of Student's t, by which outliers lose their weight."""

_REACH = 0.5
"""Metres from the joints to the flange of an arm, by which an error of theirs shifts more than it turns."""

_COMMON = 12.0
"""Numbers that count for shifts and turns of the flange alike, as errors of joints cause both: of two images."""

_WORST = 0.02, np.radians(2.0)
"""Standard deviations of the mount, metres and radians, over which the motion was too little."""


@dataclass(frozen=True)
class Solution:
    """A calibration.

    `mount` is ``flange_T_camera`` (4, 4), `mount_covariance` (6, 6) that of a small motion of the camera in its
    own frame; `depth` along the reference's optical axis with `depth_sigma`, metres; `normal` (3,) of length 1 in
    the reference's frame with `normal_sigma`, radians; `delay` and `delay_sigma`, seconds by which the stamps
    are late, None of stills; `lens` the numbers asked for with their standard deviations; `refused` sentences
    about those that could not be told. `residuals` (n, p, 2) in pixels with their `weights` (n, p); `arm_errors`
    (n, 6) what is left to each flange pose, and `noise` what was found of all.
    """

    mount: Array
    mount_covariance: Array
    depth: float
    depth_sigma: float
    normal: Array
    normal_sigma: float
    delay: float | None
    delay_sigma: float | None
    lens: dict[str, tuple[float, float]]
    refused: tuple[str, ...]
    noise: Noise
    residuals: Array = field(repr=False)
    weights: Array = field(repr=False)
    arm_errors: Array = field(repr=False)
    base_T_reference: Array = field(repr=False)

    @property
    def sigma(self) -> tuple[float, float]:
        """Standard deviation of the mount, along all axes together: metres and radians."""
        variances = np.diag(self.mount_covariance)
        return float(np.sqrt(variances[:3].sum())), float(np.sqrt(variances[3:].sum()))


def calibrate(
    recording: Recording,
    tracks: Tracks,
    lens: Sequence[str] = ('k1',),
    known: Known = Known(),  # noqa: B008
) -> Solution:
    """Calibrate from tracks of a recording.

    Of the `lens` focal, centre and k1 may be asked for; `known` is what is known before of depth and mount.

    Raises HandEyeError where the motion does not tell the mount, or arm and image contradict each other.
    """
    guess = guess_of_tracks(recording, tracks)
    wanted, refused = tuple(lens), []
    while True:
        problem = Problem(
            tracks,
            recording.arm,
            recording.stamps,
            recording.reference.camera,
            _free(recording, wanted),
            known,
        )
        fit = _Fit(problem, _start(guess, tracks, recording)).run()
        covariance: Array = _INFLATION**2 * fit.normal.covariance
        unsure = {
            name: sigma
            for name in wanted
            if (sigma := max(_deviations(covariance, LENS[name]))) > _TOLERATED[name]
        }
        if not unsure:
            break
        worst = max(unsure, key=lambda name: unsure[name] / _TOLERATED[name])
        refused.append(
            f'{worst} is refused: the motions should tell it to {_TOLERATED[worst]:g} '
            f'but leave {unsure[worst]:.2g}'
        )
        wanted = tuple(name for name in wanted if name != worst)
    return _solution(fit, covariance, recording, wanted, tuple(refused))


def lens_of(text: str) -> tuple[str, ...]:
    """Return the names of LENS in a text such as ``focal, k1``; those of ``none`` are none.

    Raises HandEyeError for another word.
    """
    names = tuple(word for word in (word.strip() for word in text.split(',')) if word and word != 'none')
    for name in names:
        _check_lens(name)
    return names


def _check_lens(name: str) -> None:
    if name not in LENS:
        raise HandEyeError(f'lens should be of {", ".join(LENS)} but has {name!r}')


def _free(recording: Recording, lens: Sequence[str]) -> NDArray[np.bool_]:
    free = np.ones(SHARED, bool)
    free[DELAY] = not recording.still
    free[FOCAL] = free[CENTRE] = free[BEND] = False
    for name in lens:
        _check_lens(name)
        free[list(LENS[name])] = True
    return free


def _start(guess: Guess, tracks: Tracks, recording: Recording) -> State:
    depth = recording.reference.depth * guess.scale
    count = len(tracks.points)
    plane = np.array([*tracks.slope, 1.0]) / depth
    return State(
        guess.base_T_reference,
        guess.mount,
        plane,
        guess.delay,
        1.0,
        np.zeros(2),
        0.0,
        np.zeros(count),
        np.zeros((count, 2)),
    )


class _Fit:
    """Levenberg and Marquardt, with weights and noise that are found on the way."""

    def __init__(self, problem: Problem, state: State) -> None:
        self._problem, self.state = problem, state
        self._seen = problem.tracks.seen.astype(np.float64)
        self.weights, self.trust = self._seen.copy(), np.ones(len(self._seen))
        self.noise = Noise(pixel=2.0, position=5e-3, rotation=1e-2)
        self.normal: Normal
        self.slack = np.zeros((len(self._seen), 6))
        self.left = np.zeros_like(problem.tracks.pixels)

    def run(self) -> _Fit:
        about = self._problem.linearise(self.state)
        damping = 1e-4
        for _ in range(_ITERATIONS):
            normal = self._problem.normal(self.state, about, self.weights, self.trust, self.noise)
            step = _solve(normal, damping)
            state = self.state.moved(step)
            trial = self._problem.linearise(state)
            better = self._cost(state, trial) <= self._cost(self.state, about) * (1 + 1e-9)
            if not better and damping < 1e6:
                damping *= 10.0
                continue
            self.state, about, damping = state, trial, max(damping / 10.0, 1e-9)
            before = self.noise
            self._reweigh(about)
            settled = (
                abs(np.log(self.noise.pixel / before.pixel)) < 1e-3
                and abs(np.log(self.noise.position / before.position)) < 1e-2
                and abs(np.log(self.noise.rotation / before.rotation)) < 1e-2
            )
            scale = np.sqrt(np.einsum('kk->k', normal.information))
            if settled and np.abs(step * scale).max() < 0.02:
                break
        self.normal = self._problem.normal(self.state, about, self.weights, self.trust, self.noise)
        return self

    def _cost(self, state: State, about: Linearised) -> float:
        return self._problem.cost(state, about, self.weights, self.trust, self.noise)

    def _reweigh(self, about: Linearised) -> None:
        """Weights of points, trust in flange poses, and noise, from what is left."""
        normal = self._problem.normal(self.state, about, self.weights, self.trust, self.noise)
        self.slack = normal.slack
        self.left = about.residuals + (about.flange @ normal.slack[:, None, :, None])[..., 0]
        squares = (self.left**2).sum(axis=-1)
        seen = self._seen > 0
        count = max(int(seen.sum()), 1)
        spent = SHARED + OF_POINT * len(self.state.relief) + 6 * len(self.slack)
        inflate = np.sqrt(2 * count / max(2 * count - spent, 0.2 * count))
        # Of a Rayleigh distribution the median is 1.177 deviations.
        pixel = max(inflate * float(np.sqrt(np.median(squares[seen]))) / 1.177, _LEAST_NOISE.pixel)
        self.weights = self._seen * (_FREEDOM + 2) / (_FREEDOM + squares / pixel**2)
        self.weights = np.minimum(self.weights, 1.0)
        away = np.einsum('nk,kj,nj->n', self.slack, self.noise.information, self.slack)
        self.trust = np.minimum(1.0, (_FREEDOM + 6) / (_FREEDOM + away))
        variances = np.repeat([self.noise.position**2, self.noise.rotation**2], 3) / self.trust[:, None]
        freedom = np.clip(1.0 - normal.slack_variances / variances, 1e-3, 1.0)
        squared = self.trust[:, None] * self.slack**2 / np.repeat([_REACH**2, 1.0], 3)
        pooled = squared.sum() / freedom.sum()
        across, turn = (
            float(np.sqrt((squared[:, part].sum() + _COMMON * pooled) / (freedom[:, part].sum() + _COMMON)))
            for part in (np.s_[:3], np.s_[3:])
        )
        position, rotation = _REACH * across, turn
        relief = float(np.median(np.abs(self.state.relief))) * 1.48
        self.noise = Noise(
            pixel,
            float(np.clip(position, _LEAST_NOISE.position, 0.05)),
            float(np.clip(rotation, _LEAST_NOISE.rotation, 0.1)),
            float(np.clip(relief, _LEAST_NOISE.relief, 0.3)),
        )


def _solve(normal: Normal, damping: float) -> Array:
    scale = np.sqrt(np.einsum('kk->k', normal.information))
    matrix = normal.information / np.outer(scale, scale) + damping * np.eye(len(scale))
    return -np.linalg.solve(matrix, normal.gradient / scale) / scale


def _deviations(covariance: Array, indices: Sequence[int]) -> list[float]:
    return [float(np.sqrt(max(covariance[index, index], 0.0))) for index in indices]


def _solution(
    fit: _Fit, covariance: Array, recording: Recording, lens: Sequence[str], refused: tuple[str, ...]
) -> Solution:
    state, camera = fit.state, recording.reference.camera
    mount_covariance = covariance[MOUNT, MOUNT]
    position, rotation = (float(np.sqrt(np.diag(mount_covariance)[part].sum())) for part in (np.s_[:3], np.s_[3:]))
    if position > _WORST[0] or rotation > _WORST[1]:
        raise HandEyeError(
            f'the motions should tell the mount to {1e3 * _WORST[0]:.0f} mm and '
            f'{np.degrees(_WORST[1]):.0f} degrees but leave {1e3 * position:.1f} mm and '
            f'{np.degrees(rotation):.2f} degrees: turn farther, and not about one point alone'
        )
    depth = 1.0 / float(state.plane[2])
    length = float(np.linalg.norm(state.plane))
    normal = state.plane / length
    by_plane = (np.eye(3) - np.outer(normal, normal)) / length
    of_plane = covariance[PLANE, PLANE]
    lens_numbers: dict[str, tuple[float, float]] = {}
    if 'focal' in lens:
        sigma = _deviations(covariance, [FOCAL])[0]
        lens_numbers |= {
            'fx': (camera.fx * state.focal, camera.fx * state.focal * sigma),
            'fy': (camera.fy * state.focal, camera.fy * state.focal * sigma),
        }
    if 'centre' in lens:
        across, down = _deviations(covariance, LENS['centre'])
        lens_numbers |= {
            'cx': (camera.cx + float(state.centre[0]), across),
            'cy': (camera.cy + float(state.centre[1]), down),
        }
    if 'k1' in lens:
        lens_numbers['k1'] = (state.bend, _deviations(covariance, [BEND])[0])
    return Solution(
        mount=state.mount,
        mount_covariance=mount_covariance,
        depth=depth,
        depth_sigma=float(np.sqrt(of_plane[2, 2])) * depth**2,
        normal=normal,
        normal_sigma=float(np.sqrt(np.linalg.eigvalsh(by_plane @ of_plane @ by_plane.T)[-1])),
        delay=None if recording.still else -state.delay,
        delay_sigma=None if recording.still else _deviations(covariance, [DELAY])[0],
        lens=lens_numbers,
        refused=refused,
        noise=fit.noise,
        residuals=fit.left,
        weights=fit.weights,
        arm_errors=fit.slack,
        base_T_reference=state.base_T_reference,
    )
