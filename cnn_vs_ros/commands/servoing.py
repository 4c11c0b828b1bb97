"""The commands beside a running graph, from ``capture`` to ``set``, by ServoCommander."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnn_vs_ros.demo.arguments import positive
from cnn_vs_ros.environment import check_environment
from cnn_vs_ros.errors import CommanderError, VisualServoingError
from cnn_vs_ros.exit_status import FAILED, INTERRUPTED, MISSED
from cnn_vs_ros.foreign.yaml_text import parse_yaml
from cnn_vs_ros.report.progress import ProgressLine

if TYPE_CHECKING:
    from cnn_vs_ros.commander import ServoCommander, ServoState

_Answer = tuple[int, str, dict[str, Any]]
"""Exit status, a sentence for people, and values for JSON."""


def add_commands(commands: Any) -> None:
    """Declare the commands and their arguments; `commands` is what ArgumentParser.add_subparsers returns."""
    capture = _add(commands, 'capture', 'take what the camera sees now as the reference', _capture)
    capture.add_argument('name', nargs='?', default='', help='of the reference (default: the one in use)')
    use = _add(commands, 'use', 'have the estimator use another reference', _use)
    use.add_argument('name', help='of the reference')
    servo = _add(commands, 'servo', 'servo to the reference; exit status 0: arrived, 3: not, 2: failed', _servo)
    servo.add_argument(
        '--timeout', type=positive, default=120.0, metavar='S', help='stop the arm after it, s (default: 120)'
    )
    _add(commands, 'stop', 'have the arm come to a stop', _stop)
    _add(commands, 'status', 'say what controller and estimator do', _status)
    offset = _add(commands, 'offset', 'say where the desired camera is; nothing moves', _offset)
    offset.add_argument(
        '--base', action='store_true', help='in the base too, and how far it has gone (part_finder)'
    )
    _add(commands, 'teach', 'note where the part is now, for offset --base (part_finder)', _teach)
    setting = _add(commands, 'set', 'set a parameter of a node', _set)
    setting.add_argument('node', help='such as pose_estimator')
    setting.add_argument('parameter', help='such as depth')
    setting.add_argument('value', help='as YAML has it')


def _add(
    commands: Any, name: str, summary: str, action: Callable[[ServoCommander, argparse.Namespace], _Answer]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary)
    parser.add_argument('--namespace', default='', help='of the nodes (default: none)')
    parser.add_argument('--json', action='store_true', help='print JSON')
    parser.set_defaults(run=lambda arguments: _run(name, action, arguments))
    return parser


def _run(
    name: str, action: Callable[[ServoCommander, argparse.Namespace], _Answer], arguments: argparse.Namespace
) -> int:
    try:
        check_environment()  # a middleware that is not there ends the process when rclpy is imported
        from cnn_vs_ros.commander import ServoCommander

        with ServoCommander(arguments.namespace) as arm:
            status, sentence, values = action(arm, arguments)
    except (VisualServoingError, ModuleNotFoundError) as error:
        status, sentence, values = FAILED, f'{name}: {error}', {'error': str(error)}
    except KeyboardInterrupt:
        status, sentence, values = INTERRUPTED, f'{name}: interrupted', {'error': 'interrupted'}
    if arguments.json:
        print(json.dumps(_finite(values)))
    else:
        print(sentence, file=sys.stderr if 'error' in values else sys.stdout)
    return status


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Values with null where a number is none, which JSON cannot say."""
    nothing = (key for key, value in values.items() if isinstance(value, float) and not math.isfinite(value))
    return {**values, **dict.fromkeys(nothing)}


def _capture(arm: ServoCommander, arguments: argparse.Namespace) -> _Answer:
    sentence = arm.capture(arguments.name)
    return 0, sentence, {'said': sentence}


def _use(arm: ServoCommander, arguments: argparse.Namespace) -> _Answer:
    arm.use(arguments.name)
    return 0, f'the reference is {arguments.name}', {'reference': arguments.name}


def _servo(arm: ServoCommander, arguments: argparse.Namespace) -> _Answer:
    line = ProgressLine(sys.stderr, log_period=math.inf)
    try:
        result = arm.servo(arguments.timeout, lambda state: line.show(_sentence(state)))
    finally:
        line.clear()
    values = {
        'arrived': result.arrived,
        'status': result.status.value,
        'reason': result.reason,
        'error_mm': result.error_mm,
        'error_deg': result.error_deg,
        'seconds': result.seconds,
    }
    sentence = f'{result.status.value}: {result.reason}; {_error(result)} after {result.seconds:.1f} s'
    return 0 if result.arrived else MISSED, sentence, values


def _stop(arm: ServoCommander, _: argparse.Namespace) -> _Answer:
    sentence = arm.stop()
    return 0, sentence, {'said': sentence}


def _status(arm: ServoCommander, _: argparse.Namespace) -> _Answer:
    state = arm.status()
    return 0, _sentence(state), {**vars(state), 'status': state.status.value}


def _offset(arm: ServoCommander, arguments: argparse.Namespace) -> _Answer:
    offset = arm.offset(in_base=arguments.base)
    return 0, offset.sentence, offset.as_values()


def _teach(arm: ServoCommander, _: argparse.Namespace) -> _Answer:
    taught = arm.teach()
    return 0, taught.sentence, taught.as_values()


def _set(arm: ServoCommander, arguments: argparse.Namespace) -> _Answer:
    value = dict(parse_yaml(f'value: {arguments.value}', 'the value', CommanderError).items())['value']
    arm.set(arguments.node, arguments.parameter, value)
    values = {'node': arguments.node, 'parameter': arguments.parameter, 'value': value}
    return 0, f'{arguments.node}: {arguments.parameter} is {value!r}', values


def _sentence(state: ServoState) -> str:
    reference = f'reference {state.reference}' if state.reference else 'no reference'
    return f'{state.status.value}: {state.reason}; {reference} {state.pose_status}, {_error(state)}'


def _error(state: Any) -> str:
    if math.isnan(state.error_mm):
        return 'no estimate'
    return f'{state.error_mm:.2f} mm, {state.error_deg:.3f} deg'
