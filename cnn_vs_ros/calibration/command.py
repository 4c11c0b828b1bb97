"""The command ``python -m cnn_vs_ros calibrate``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from cnn_vs_ros import frames
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import DescriptionError, HandEyeError, VisualServoingError
from cnn_vs_ros.exit_status import FAILED, INTERRUPTED
from cnn_vs_ros.foreign.files import read_bytes
from cnn_vs_ros.foreign.urdf import MAX_CHARACTERS
from cnn_vs_ros.resources import SHIPPED_MODEL

if TYPE_CHECKING:
    from cnn_vs_ros.calibration.recording import Recording

MOVED = 1
"""Exit status of a check that finds that something moved."""

_DESCRIPTION = """
Calibrate a camera on an arm from recorded images of anything with texture and the arm's poses: mount, depth and
plane of the reference, delay of the stamps, lens. It moves nothing.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.description = _DESCRIPTION
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        '--from',
        dest='folder',
        type=user_path,
        metavar='FOLDER',
        help='a recording in the form of docs/calibration.md',
    )
    source.add_argument(
        '--recorded',
        type=user_path,
        metavar='DIR',
        help='images with flange poses, in poses.json or truth.json beside',
    )
    source.add_argument(
        '--bag',
        type=user_path,
        metavar='BAG',
        help='images, camera_info and joint_states of an arm that moved; with --urdf',
    )
    parser.add_argument('--urdf', type=user_path, metavar='FILE', help='robot description of the arm of a bag')
    parser.add_argument(
        '--flange',
        default=frames.FLANGE,
        metavar='LINK',
        help='what the camera is fixed to (default: %(default)s)',
    )
    parser.add_argument('--camera-frame', default=frames.CAMERA, metavar='LINK', help='default: %(default)s')
    parser.add_argument('--image', default='image_raw', metavar='TOPIC', help='of a bag (default: image_raw)')
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
    parser.add_argument('--model', default=SHIPPED_MODEL, help="a shipped model's name or a .onnx file")
    parser.add_argument('--output', type=user_path, metavar='DIR', help='for report and picture (default: FOLDER)')


def run(arguments: argparse.Namespace) -> int:
    """Calibrate and print the report; return the exit status: 1 where a check finds that something moved."""
    try:
        said, right = _calibrate(arguments)
    except (VisualServoingError, OSError, ModuleNotFoundError) as error:
        print(f'calibrate: {error}', file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('calibrate: interrupted', file=sys.stderr)
        return INTERRUPTED
    print(said)
    return 0 if right else MOVED


def _calibrate(arguments: argparse.Namespace) -> tuple[str, bool]:
    from cnn_vs_ros.calibration import data, report, verdict
    from cnn_vs_ros.calibration.mount import Mount
    from cnn_vs_ros.calibration.problem import Known
    from cnn_vs_ros.calibration.recording import ASSUMED_DEPTH
    from cnn_vs_ros.calibration.solver import calibrate, lens_of
    from cnn_vs_ros.calibration.tracks import track
    from cnn_vs_ros.estimation import load_estimator
    from cnn_vs_ros.geometry import se3

    said = ''
    depth, lens = arguments.depth or ASSUMED_DEPTH, lens_of(arguments.lens)
    if arguments.folder is not None:
        recording = data.load(arguments.folder)
    elif arguments.bag is not None:
        recording = _of_bag(arguments, depth)
    else:
        recording, name = data.read_recorded(arguments.recorded, depth)
        said = f'the reference is image {name}\n'
    if arguments.charuco or arguments.chessboard:
        from cnn_vs_ros.calibration.boards import Board, hand_eye

        if arguments.check is not None:
            raise HandEyeError('--check should be without a board, for a board has no report to compare')
        board = Board.parse(arguments.charuco or arguments.chessboard, markers=bool(arguments.charuco))
        flanges = recording.arm.at(recording.stamps)
        mount = hand_eye(board, recording.images, flanges, recording.reference.camera)
        millimetres = ' '.join(f'{1e3 * value:.3f}' for value in mount[:3, 3])
        turn = ' '.join(f'{value:.6f}' for value in se3.quaternion_xyzw(mount[:3, :3]))
        named = f'{recording.flange}_T_{recording.camera_frame}'
        return f'{named} by the board: {millimetres} mm, quaternion xyzw {turn}', True
    if arguments.depth is not None:
        recording = replace(recording, reference=replace(recording.reference, depth=arguments.depth))
    known = Known(arguments.depth, arguments.depth_sigma)
    tracks = track(recording, load_estimator(arguments.model, 1))
    solution = calibrate(recording, tracks, lens, known)
    if arguments.check is not None:
        before = Mount.load(arguments.check)
        found = verdict.sentences(solution, before.transform, before.stamp_delay)
        return '\n'.join(found), verdict.holds(solution, before.transform)
    output = arguments.output or arguments.folder
    if output is None:
        return said + report.text(solution, recording), True
    return said + report.write(solution, recording, tracks, output), True


def _of_bag(arguments: argparse.Namespace, depth: float) -> Recording:
    from cnn_vs_ros.nodes.recording_of_bag import recording_of_bag

    if arguments.urdf is None:
        raise HandEyeError('a bag should come with the robot description of its arm (--urdf FILE) but is alone')
    urdf = read_bytes(arguments.urdf, MAX_CHARACTERS, DescriptionError).decode(errors='replace')
    return recording_of_bag(
        arguments.bag,
        urdf,
        flange=arguments.flange,
        camera_frame=arguments.camera_frame,
        image=arguments.image,
        depth=depth,
    )
