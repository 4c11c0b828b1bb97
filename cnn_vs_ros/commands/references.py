"""The command ``references``: lists those of a library; it needs no ROS."""

from __future__ import annotations

import argparse
import json
import sys

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.exit_status import FAILED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--namespace', default='', help="the robot's, whose library it is (default: none)")
    parser.add_argument('--library', default='', metavar='DIR', help='another folder, as of pose_estimator')
    parser.add_argument('--html', metavar='FILE', help='also write a page with thumbnails')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(arguments: argparse.Namespace) -> int:
    """List the references, one a line, and return the exit status."""
    from cnn_vs_ros.estimation.reference_library import ReferenceLibrary
    from cnn_vs_ros.report.references import write_references_page

    try:
        library = ReferenceLibrary.of_robot(arguments.library, arguments.namespace)
        entries = library.entries()
        if arguments.html:
            write_references_page(entries, library.folder, arguments.html)
    except (VisualServoingError, OSError) as error:
        print(f'references: {error}', file=sys.stderr)
        return FAILED
    if arguments.json:
        print(json.dumps([entry.as_values() for entry in entries]))
        return 0
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        print(f'{entry.name:<{width}}  {entry.sentence}')
    if not entries:
        print(f'references: none in {library.folder}', file=sys.stderr)
    return 0
