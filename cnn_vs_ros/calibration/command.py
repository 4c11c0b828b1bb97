"""The command ``python -m cnn_vs_ros calibrate``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import VisualServoingError

FAILED, MOVED = 2, 1
_ASSUMED_DEPTH = 0.5
_DESCRIPTION = """
Calibrate a camera on an arm from images of anything with texture and the arm's poses: mount, depth and plane of
the reference, delay of the stamps, lens. An arm is moved by the node calibrate; here its recordings are computed
anew, and recordings of others.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.description = _DESCRIPTION
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        '--from', dest='folder', type=user_path, metavar='FOLDER', help='what the node calibrate saved'
    )
    source.add_argument(
        '--recorded',
        type=user_path,
        metavar='DIR',
        help='images with flange poses, in poses.json or truth.json beside',
    )
    parser.add_argument(
        '--lens',
        default='k1',
        metavar='A,B',
        help='what to find of the lens: focal, centre, k1, or none (default: k1)',
    )
    parser.add_argument(
        '--depth', type=float, metavar='M', help='what the depth of the reference is known to be (default: found)'
    )
    parser.add_argument(
        '--depth-sigma', type=float, default=0.002, metavar='M', help='its standard deviation (default: 0.002)'
    )
    board = parser.add_mutually_exclusive_group()
    board.add_argument(
        '--charuco', metavar='CxRxM', help='by a ChArUco board instead: columns and rows of squares, metres of one'
    )
    board.add_argument('--chessboard', metavar='CxRxM', help='by a chessboard instead, as 10x7x0.0236')
    parser.add_argument(
        '--check',
        type=user_path,
        metavar='FILE',
        help='a calibration.yaml: only say whether it still holds, or what moved',
    )
    parser.add_argument('--model', default='scene_agnostic', help="a shipped model's name or a .onnx file")
    parser.add_argument('--output', type=user_path, metavar='DIR', help='for report and picture (default: FOLDER)')


def run(arguments: argparse.Namespace) -> int:
    """Calibrate and print the report; return the exit status: 1 where a check finds that something moved."""
    try:
        said, right = _calibrate(arguments)
    except (VisualServoingError, OSError) as error:
        print(f'calibrate: {error}', file=sys.stderr)
        return FAILED
    print(said)
    return 0 if right else MOVED


def _calibrate(arguments: argparse.Namespace) -> tuple[str, bool]:
    from cnn_vs_ros.calibration import data, report, verdict
    from cnn_vs_ros.calibration.boards import Board, hand_eye
    from cnn_vs_ros.calibration.result import Mount
    from cnn_vs_ros.calibration.solver import calibrate
    from cnn_vs_ros.calibration.tracks import track
    from cnn_vs_ros.estimation import load_estimator
    from cnn_vs_ros.geometry import se3

    said = ''
    if arguments.folder is not None:
        recording = data.load(arguments.folder)
    else:
        recording, name = data.read_recorded(arguments.recorded, arguments.depth or _ASSUMED_DEPTH)
        said = f'the reference is image {name}\n'
    if arguments.charuco or arguments.chessboard:
        board = Board.parse(arguments.charuco or arguments.chessboard, markers=bool(arguments.charuco))
        flanges = recording.arm.at(recording.stamps)
        mount = hand_eye(board, recording.images, flanges, recording.reference.camera)
        millimetres = ' '.join(f'{1e3 * value:.3f}' for value in mount[:3, 3])
        turn = ' '.join(f'{value:.6f}' for value in se3.quaternion_xyzw(mount[:3, :3]))
        named = f'{recording.flange}_T_{recording.camera_frame}'
        return f'{named} by the board: {millimetres} mm, quaternion xyzw {turn}', True
    if arguments.depth is not None:
        recording = replace(recording, reference=replace(recording.reference, depth=arguments.depth))
    known = None if arguments.depth is None else (arguments.depth, arguments.depth_sigma)
    lens = tuple(word for word in arguments.lens.split(',') if word and word != 'none')
    tracks = track(recording, load_estimator(arguments.model, 1))
    solution = calibrate(recording, tracks, lens, known_depth=known)
    if arguments.check is not None:
        before = Mount.load(arguments.check)
        found = verdict.sentences(solution, before.transform, before.stamp_delay)
        return '\n'.join(found), verdict.holds(solution, before.transform)
    output = arguments.output or arguments.folder
    if output is None:
        return said + report.text(solution, recording), True
    return said + report.write(solution, recording, tracks, output), True
