"""Draw a training dataset from one reference snapshot, as in section III of the paper.

The views of cameras about the reference pose, under lights and occluders, with their poses. An interrupted command
goes on where it was when it is given again; the same seed gives the same bytes, whatever the number of workers.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.errors import TrainingError

SUMMARY = 'draw a training dataset from one reference snapshot'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('--reference', type=Path, required=True, help='reference folder, of capture_reference')
    parser.add_argument('--output', type=Path, required=True, help='folder of the dataset')
    parser.add_argument('--count', type=int, default=10_000, help='images of the wide draw (default 10000)')
    parser.add_argument('--fine', type=int, default=1_000, help='images of the fine draw (default 1000)')
    parser.add_argument('--size', default='224', metavar='N|WxH', help='of the images in px (default 224)')
    parser.add_argument('--grey', action='store_true', help='grey images (default: as the reference is)')
    parser.add_argument('--seed', type=int, default=0, help='of everything drawn (default 0)')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes (default: one a core)')
    parser.add_argument(
        '--preview', action='store_true', help="write a contact sheet first, as the paper's figure 3"
    )

    draw = parser.add_argument_group('viewpoints', 'standard deviations of the wide draw')
    draw.add_argument(
        '--depth', type=float, metavar='M', help='of the scene at the reference pose (default: its own)'
    )
    draw.add_argument(
        '--translation',
        type=float,
        nargs=3,
        default=[1.0, 1.0, 1.0],
        metavar='CM',
        help='along x y z (default 1 1 1)',
    )
    draw.add_argument(
        '--rotation',
        type=float,
        nargs=3,
        default=[10.0, 10.0, 20.0],
        metavar='DEG',
        help='about x y z (default 10 10 20)',
    )
    draw.add_argument(
        '--drawn-at',
        type=float,
        default=0.20,
        metavar='M',
        help='depth at which the translations hold; they scale with the depth of the reference (default 0.20)',
    )
    draw.add_argument('--fine-scale', type=float, default=0.01, help='fine over wide deviations (default 0.01)')
    draw.add_argument(
        '--outside',
        default='random',
        help='what lies beyond the edge of the snapshot: random (a grey level an image), mean or black '
        '(default random)',
    )

    light = parser.add_argument_group('perturbations', 'each has a probability; 0 switches it off')
    light.add_argument(
        '--global-light',
        type=float,
        default=0.5,
        metavar='P',
        help='affine change of all grey levels (default 0.5)',
    )
    light.add_argument(
        '--gain',
        type=float,
        nargs=2,
        default=[0.6, 1.4],
        metavar='F',
        help='factor of the global light (default 0.6 1.4)',
    )
    light.add_argument(
        '--offset',
        type=float,
        nargs=2,
        default=[-30.0, 30.0],
        metavar='GREY',
        help='what the global light adds (default -30 30)',
    )
    light.add_argument(
        '--local-lights', type=float, default=0.5, metavar='P', help='mixture of Gaussian lights (default 0.5)'
    )
    light.add_argument('--lights', type=int, default=3, metavar='N', help='Gaussian lights at most (default 3)')
    light.add_argument(
        '--ambient',
        type=float,
        nargs=2,
        default=[0.3, 1.0],
        metavar='F',
        help='light between them (default 0.3 1)',
    )
    light.add_argument(
        '--occlusion', type=float, default=0.5, metavar='P', help='clusters of other images (default 0.5)'
    )
    light.add_argument(
        '--occluders', type=Path, metavar='DIR', help='images that clusters are cut from (default: drawn textures)'
    )
    light.add_argument(
        '--clusters', type=int, default=4, metavar='N', help='clusters at most in an image (default 4)'
    )
    light.add_argument(
        '--cluster-scale',
        type=float,
        nargs=2,
        default=[0.7, 1.5],
        metavar='F',
        help='of their size; 1 shows the image they come from as large as the view (default 0.7 1.5)',
    )
    light.add_argument(
        '--noise', type=float, default=0.0, metavar='GREY', help='deviation of the image noise (default 0)'
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the dataset, and print its size and the rate."""
    from cnn_vs_ros.estimation import Reference
    from training.snapshot import building, preview
    from training.snapshot.generator import SnapshotSettings
    from training.snapshot.perturbations import Perturbations
    from training.snapshot.viewpoints import ViewpointDraw

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
    settings = SnapshotSettings(
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
    if arguments.workers < 1:
        raise TrainingError(f'expected at least 1 worker, but got {arguments.workers}')
    reference = Reference.load(arguments.reference)
    if arguments.depth is not None:
        reference = replace(reference, depth=arguments.depth)
    generator, index = building.prepare(reference, settings, arguments.output, arguments.occluders)
    if arguments.preview:
        path = arguments.output / building.PREVIEW_FILE
        preview.write(path, preview.contact_sheet(generator))
        print(f'dataset: {path}', flush=True)
    report = building.build(reference, generator, index, arguments.output, workers=arguments.workers)
    if not report.images:
        print(f'dataset: all {settings.total} images are in {arguments.output}')
        return 0
    busy = arguments.workers * report.seconds
    print(
        f'dataset: {report.images} images in {report.seconds:.1f} s, {report.images / report.seconds:.0f}/s, '
        f'{arguments.workers} workers, {100 * report.warp_seconds / busy:.0f} % of their time in warps; '
        f'{settings.total} images in {arguments.output}'
    )
    return 0


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _size(text: str) -> tuple[int, int]:
    """Return the width and height of '224' or '320x240'."""
    match = re.fullmatch(r'(\d{1,5})(?:x(\d{1,5}))?', text)
    if match is None:
        raise TrainingError(f"expected a size such as 224 or 320x240, but got '{text}'")
    return int(match[1]), int(match[2] or match[1])
