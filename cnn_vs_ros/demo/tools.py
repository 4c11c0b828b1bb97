"""The commands ``record``, ``replay``, ``view`` and ``check_arm`` of ``python -m cnn_vs_ros``."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from typing import Any

from cnn_vs_ros.demo.arguments import whole_number
from cnn_vs_ros.environment import check_environment, user_path
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.exit_status import FAILED, INTERRUPTED
from cnn_vs_ros.resources import SHIPPED_MODEL


def add_commands(commands: Any) -> None:
    """Declare the commands and their arguments; `commands` is what ArgumentParser.add_subparsers returns."""
    record = commands.add_parser('record', help='record a servo run to a bag, until Ctrl-C')
    record.add_argument('output', nargs='?', default='', help='folder of the bag (default: named by the time)')
    record.add_argument('--use-sim-time', action='store_true', help='time from /clock')
    record.set_defaults(run=_record)
    replay = commands.add_parser('replay', help='estimate the images of a bag anew')
    replay.add_argument('bag', type=user_path, help='folder of the bag')
    replay.add_argument('--reference', type=user_path, metavar='DIR', help='default: reference in the bag')
    replay.add_argument('--model', default=SHIPPED_MODEL, help="a shipped model's name or a .onnx file")
    replay.add_argument('--image', default='image_raw', metavar='TOPIC', help='default: image_raw')
    replay.add_argument(
        '--every-image', action='store_true', help='also the images that the recorded estimator skipped'
    )
    replay.add_argument('--output', type=user_path, metavar='DIR', help='default: replay in the bag')
    replay.set_defaults(run=_replay)
    view = commands.add_parser('view', help='show a running graph on a web page of this computer, until Ctrl-C')
    view.add_argument('--port', type=whole_number(0, 65535), default=8080, help='default: 8080; 0: any')
    view.set_defaults(run=_view)
    check = commands.add_parser(
        'check_arm', help='look at an arm before its first servo; exit status 0: passed, 3: not, 2: failed'
    )
    check.add_argument('--wiggle', action='store_true', help='move the camera by 2 mm and half a degree as well')
    check.add_argument('--namespace', default='', help='of the nodes (default: none)')
    check.add_argument('--use-sim-time', action='store_true', help='time from /clock')
    check.add_argument('--json', action='store_true', help='print JSON')
    check.set_defaults(run=_check_arm)


def _record(arguments: argparse.Namespace) -> int:
    # As JSON, so that a number stays the text that it is: 007, 1.10.
    parameters = [f'output:={json.dumps(arguments.output)}'] if arguments.output else []
    parameters += ['use_sim_time:=true'] if arguments.use_sim_time else []
    return _run_node('record', parameters)


def _view(arguments: argparse.Namespace) -> int:
    return _run_node('view', [f'port:={arguments.port}'])


def _check_arm(arguments: argparse.Namespace) -> int:
    given = {'wiggle': arguments.wiggle, 'json': arguments.json, 'use_sim_time': arguments.use_sim_time}
    parameters = [f'{name}:=true' for name, value in given.items() if value]
    return _run_node('check_arm', parameters, arguments.namespace)


def _run_node(name: str, parameters: list[str], namespace: str = '') -> int:
    try:
        check_environment()
        main = import_module(f'cnn_vs_ros.nodes.{name}').main
    except (VisualServoingError, ModuleNotFoundError) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return FAILED
    words = [word for pair in parameters for word in ('-p', pair)]
    words += ['-r', f'__ns:=/{namespace.strip("/")}'] if namespace else []
    return int(main([name, '--ros-args', *words]))


def _replay(arguments: argparse.Namespace) -> int:
    try:
        from cnn_vs_ros.nodes.replay import run

        print(
            run(
                arguments.bag,
                arguments.reference,
                arguments.model,
                arguments.output,
                arguments.image,
                arguments.every_image,
            )
        )
    except (VisualServoingError, OSError, ModuleNotFoundError) as error:
        print(f'replay: {error}', file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('replay: interrupted', file=sys.stderr)
        return INTERRUPTED
    return 0
