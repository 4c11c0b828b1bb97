"""Draw a training dataset from one reference snapshot, as in section III of the paper.

The views of cameras about the reference pose, under lights and occluders, with their poses. An interrupted command
goes on where it was when it is given again; the same seed gives the same bytes, whatever the number of workers.
"""

from __future__ import annotations

import argparse
import os

from cnn_vs_ros.environment import user_path
from training.commands import views
from training.errors import TrainingError

SUMMARY = 'draw a training dataset from one reference snapshot'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        '--reference', type=user_path, required=True, help='reference folder, of capture_reference'
    )
    parser.add_argument('--output', type=user_path, required=True, help='folder of the dataset')
    views.add_size_arguments(parser)
    views.add_depth_argument(parser)
    parser.add_argument('--seed', type=int, default=0, help='of everything drawn (default 0)')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes (default: one a core)')
    parser.add_argument(
        '--preview', action='store_true', help="write a contact sheet first, as the paper's figure 3"
    )
    views.add_view_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the dataset, and print its size and the rate."""
    from training.snapshot import building, preview

    settings = views.settings_of(arguments)
    if arguments.workers < 1:
        raise TrainingError(f'expected at least 1 worker, but got {arguments.workers}')
    reference = views.reference_of(arguments)
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
