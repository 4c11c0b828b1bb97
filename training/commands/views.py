"""Arguments that say which views of a snapshot are drawn; several verbs share them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cnn_vs_ros.environment import user_path
from training.errors import TrainingError

if TYPE_CHECKING:
    from cnn_vs_ros.estimation import Reference
    from training.snapshot.generator import SnapshotSettings

DEFAULTS: dict[str, Any] = {
    'count': 10_000,
    'fine': 1_000,
    'size': '224',
    'grey': False,
    'translation': [1.0, 1.0, 1.0],
    'rotation': [10.0, 10.0, 20.0],
    'drawn_at': 0.20,
    'fine_scale': 0.01,
    'outside': 'random',
    'global_light': 0.5,
    'gain': [0.6, 1.4],
    'offset': [-30.0, 30.0],
    'local_lights': 0.5,
    'lights': 3,
    'ambient': [0.3, 1.0],
    'occlusion': 0.5,
    'clusters': 4,
    'cluster_scale': [0.7, 1.5],
    'noise': 0.0,
}
"""Of the arguments of the views; None on the command line stands for these."""


def add_size_arguments(parser: argparse._ActionsContainer) -> None:
    """Declare the number and size of the images."""
    parser.add_argument('--count', type=int, help='images of the wide draw (default 10000)')
    parser.add_argument('--fine', type=int, help='images of the fine draw (default 1000)')
    parser.add_argument('--size', metavar='N|WxH', help='of the images in px (default 224)')
    parser.add_argument(
        '--grey', action='store_true', default=None, help='grey images (default: as the reference is)'
    )


def add_depth_argument(parser: argparse._ActionsContainer) -> None:
    """Declare the depth of the reference."""
    parser.add_argument(
        '--depth', type=float, metavar='M', help='of the scene at the reference pose (default: its own)'
    )


def add_view_arguments(parser: argparse.ArgumentParser, of: str = '') -> None:
    """Declare the viewpoints and the perturbations; `of` ends the titles of their groups."""
    draw = parser.add_argument_group(f'viewpoints{of}', 'standard deviations of the wide draw')
    draw.add_argument(
        '--translation',
        type=float,
        nargs=3,
        metavar='CM',
        help='along x y z (default 1 1 1)',
    )
    draw.add_argument(
        '--rotation',
        type=float,
        nargs=3,
        metavar='DEG',
        help='about x y z (default 10 10 20)',
    )
    draw.add_argument(
        '--drawn-at',
        type=float,
        metavar='M',
        help='depth at which the translations hold; they scale with the depth of the reference (default 0.20)',
    )
    draw.add_argument('--fine-scale', type=float, help='fine over wide deviations (default 0.01)')
    draw.add_argument(
        '--outside',
        help='what lies beyond the edge of the snapshot: random (a grey level an image), mean, black or '
        'textured (drawn) (default random)',
    )

    light = parser.add_argument_group(f'perturbations{of}', 'each has a probability; 0 switches it off')
    light.add_argument(
        '--global-light',
        type=float,
        metavar='P',
        help='affine change of all grey levels (default 0.5)',
    )
    light.add_argument(
        '--gain',
        type=float,
        nargs=2,
        metavar='F',
        help='factor of the global light (default 0.6 1.4)',
    )
    light.add_argument(
        '--offset',
        type=float,
        nargs=2,
        metavar='GREY',
        help='what the global light adds (default -30 30)',
    )
    light.add_argument('--local-lights', type=float, metavar='P', help='mixture of Gaussian lights (default 0.5)')
    light.add_argument('--lights', type=int, metavar='N', help='Gaussian lights at most (default 3)')
    light.add_argument(
        '--ambient',
        type=float,
        nargs=2,
        metavar='F',
        help='light between them (default 0.3 1)',
    )
    light.add_argument('--occlusion', type=float, metavar='P', help='clusters of other images (default 0.5)')
    light.add_argument(
        '--occluders',
        type=user_path,
        metavar='DIR',
        help='images that clusters are cut from (default: drawn ones)',
    )
    light.add_argument('--clusters', type=int, metavar='N', help='clusters at most in an image (default 4)')
    light.add_argument(
        '--cluster-scale',
        type=float,
        nargs=2,
        metavar='F',
        help='of their size; 1 shows the image they come from as large as the view (default 0.7 1.5)',
    )
    light.add_argument('--noise', type=float, metavar='GREY', help='deviation of the image noise (default 0)')


def reference_of(arguments: argparse.Namespace) -> Reference:
    """Load the reference, with the depth of the arguments if they give one."""
    from cnn_vs_ros.estimation import Reference

    reference = Reference.load(arguments.reference)
    return reference if arguments.depth is None else replace(reference, depth=arguments.depth)


def settings_of(arguments: argparse.Namespace) -> SnapshotSettings:
    """Return the settings of the views. Raises TrainingError for what cannot be drawn."""
    from training.snapshot.generator import SnapshotSettings
    from training.snapshot.perturbations import Perturbations
    from training.snapshot.viewpoints import ViewpointDraw

    given = {name: value for name, value in vars(arguments).items() if value is not None}
    arguments = argparse.Namespace(**{**DEFAULTS, **given})
    width, height = _size(arguments.size)
    viewpoints = ViewpointDraw(
        translation=_three(0.01 * value for value in arguments.translation),
        rotation=_three(np.deg2rad(value) for value in arguments.rotation),
        depth=arguments.drawn_at,
        fine_scale=arguments.fine_scale,
    )
    changes = Perturbations(
        global_light=arguments.global_light,
        gain=tuple(arguments.gain),
        offset=tuple(arguments.offset),
        local_lights=arguments.local_lights,
        lights=arguments.lights,
        ambient=tuple(arguments.ambient),
        occlusion=arguments.occlusion,
        occluders=arguments.clusters,
        occluder_scale=tuple(arguments.cluster_scale),
        noise=arguments.noise,
    )
    return SnapshotSettings(
        width=width,
        height=height,
        count=arguments.count,
        fine=arguments.fine,
        seed=arguments.seed,
        outside=arguments.outside,
        grey=arguments.grey,
        viewpoints=viewpoints,
        perturbations=changes,
    )


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _size(text: str) -> tuple[int, int]:
    """Return the width and height of '224' or '320x240'."""
    match = re.fullmatch(r'(\d{1,5})(?:x(\d{1,5}))?', text)
    if match is None:
        raise TrainingError(f"expected a size such as 224 or 320x240, but got '{text}'")
    return int(match[1]), int(match[2] or match[1])
