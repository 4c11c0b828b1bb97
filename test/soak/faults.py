"""The faults of the soak: what each does to the graph, and what must come of it."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_srvs.srv import Trigger

from cnn_vs_ros.graph.processes import wait_for
from cnn_vs_ros.resources import resource_path
from cnn_vs_ros.simulation import load_robot_description
from test.soak.graph import NODES, SoakGraph
from test.soak.parameter_fuzz import fuzz_parameters
from test.soak.watch import Watch

HOLD = 0.8, 1.8
"""Seconds that a fault lasts: at random between these, and until the arm rests where it must."""

_LONG_HOLD = 1.8, 2.5
"""Seconds of one that is noticed by what does not come of it."""

Values = Mapping[str, float | str]

_VALUES_A_TRY = 2000
_FAREWELL = 10.0
"""Seconds in which a node that is told to end must have ended."""
_STANDING = 0.002
"""Metres that the camera of an arm goes at most that does not follow."""
_FUZZED = ('simulator', 'pose_estimator', 'pbvs_controller', 'differential_ik')


@dataclass
class Scene:
    """What a fault can act on, and for how many seconds."""

    graph: SoakGraph
    watch: Watch
    random: np.random.Generator
    hold: float


@dataclass(frozen=True)
class Fault:
    """`act` injects the fault, lasts as long as it lasts, and returns what went wrong, if anything did.

    `rests`: the arm must come to rest while the fault lasts, and stay so; `mute`: differential_ik cannot send
    zeros meanwhile, so that it is for its neighbour to stop the arm. `restarts`: a process ends. `by_itself`:
    servoing goes on afterwards without a call of ~/start; `ends`: it must not. `new_reference`: another has to be
    captured first. `hold` bounds the seconds that it lasts.
    """

    act: Callable[[Scene], str]
    rests: bool = False
    mute: bool = False
    restarts: bool = False
    by_itself: bool = True
    new_reference: bool = False
    ends: bool = False
    hold: tuple[float, float] = HOLD


def _kill(name: str, number: signal.Signals, scene: Scene) -> str:
    processes = scene.graph.processes
    processes.signal(name, number)
    time.sleep(scene.hold)
    status, expected = processes.wait(name, _FAREWELL), -signal.SIGKILL if number == signal.SIGKILL else 0
    return '' if status == expected else f'{name} ended with {status}, not {expected}'


def _freeze(name: str, scene: Scene) -> str:
    scene.graph.processes.signal(name, signal.SIGSTOP)
    time.sleep(scene.hold)
    return ''


def _images(kind: str, scene: Scene) -> str:
    problem = scene.watch.fault(kind)
    time.sleep(scene.hold)
    return problem


def _clock(jump: float, scene: Scene) -> str:
    problem = scene.watch.fault('', jump)
    time.sleep(scene.hold)
    return problem


def _repeat(action: Callable[[Watch, int], None], scene: Scene) -> str:
    end, count = time.monotonic() + scene.hold, 0
    while time.monotonic() < end:
        action(scene.watch, count)
        count += 1
        time.sleep(0.01)
    return ''


def _other_description(scene: Scene) -> str:
    """Describe the arm with its axes turned round, and start differential_ik anew: it has stopped for good."""
    urdf = load_robot_description().replace('<axis xyz="0 0 1"/>', '<axis xyz="0 0 -1"/>')
    scene.watch.offer_description(urdf, scene.hold)
    problem = '' if scene.watch.rests() else 'the arm does not come to rest'
    return problem or _kill('differential_ik', signal.SIGTERM, scene)


def _interrupted_together(scene: Scene) -> str:
    """SIGINT to controller and kinematics at once, as `ros2 launch` does on Ctrl-C."""
    scene.graph.processes.signal('pbvs_controller', signal.SIGINT)
    return _kill('differential_ik', signal.SIGINT, scene)


def _with(values: Values, act: Callable[[Scene], str], scene: Scene) -> str:
    """Have a fault while pbvs_controller has other parameters."""
    watch = scene.watch
    before = {name: watch.value('pbvs_controller', name) for name in values}
    problem = watch.set_values('pbvs_controller', values)
    watch.mark()
    problem = problem or act(scene)
    former = {name: value for name, value in before.items() if value is not None}
    return problem or watch.set_values('pbvs_controller', former)


def _nothing(scene: Scene) -> str:
    time.sleep(scene.hold)
    return ''


def _stop(scene: Scene) -> str:
    problem = scene.watch.trigger('pbvs_controller/stop')
    time.sleep(scene.hold)
    return problem or ''


def _start_without_images(scene: Scene) -> str:
    """Have no images, stop, and ask for a start, which must be refused, then and when images come again."""
    scene.watch.fault('silent')
    problem = scene.watch.trigger('pbvs_controller/stop')
    time.sleep(scene.hold)
    refusal = scene.watch.trigger('pbvs_controller/start')
    return problem or ('' if refusal else 'started without an estimate')


def _starved(scene: Scene) -> str:
    """Let pbvs_controller run for 20 ms of every 0.2 s, and have it stop."""
    threading.Timer(0.5, lambda: scene.watch.trigger('pbvs_controller/stop')).start()
    end = time.monotonic() + 0.5 + scene.hold
    while time.monotonic() < end:
        scene.graph.processes.signal('pbvs_controller', signal.SIGSTOP)
        time.sleep(0.18)
        scene.graph.processes.signal('pbvs_controller', signal.SIGCONT)
        time.sleep(0.02)
    return ''


def _no_such_transitions(scene: Scene) -> str:
    for name in ('pbvs_controller', 'pose_estimator'):
        for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP, 250):
            request = ChangeState.Request(transition=Transition(id=number))
            answer = scene.watch.call(ChangeState, f'{name}/change_state', request)
            if answer is None or answer.success:
                return (
                    f'{name} took transition {number}' if answer else f'{name} did not answer transition {number}'
                )
    return ''


def _arm_stands(scene: Scene) -> str:
    """Overwrite every command with zeros, as an arm whose controller is inactive, until the task has ended of it.

    Some commands get through: the task needs to end by itself only if the arm stood, and is stopped otherwise. Nor
    does it where the simulation falls behind: for want of images hardly any motion is commanded then. The time to
    rest is measured from there.
    """
    watch, end, ended = scene.watch, time.monotonic() + scene.hold, False
    in_time = watch.pace()
    while not ended and time.monotonic() < end:
        watch.send_zero_command()
        time.sleep(0.001)
        ended = '~/start' in watch.reason
    stood = watch.way < _STANDING and in_time()
    watch.mark()
    if ended:
        return ''
    return 'an arm that stands is taken to follow' if stood else _stop(scene)


def _reference_deleted(scene: Scene) -> str:
    shutil.rmtree(scene.graph.reference, ignore_errors=True)
    refusal = scene.watch.trigger('pose_estimator/load_reference')
    time.sleep(scene.hold)
    refused = refusal is not None and refusal.startswith('no reference loaded')
    return '' if refused else f'load_reference said {refusal!r}'


def _full_disk(scene: Scene) -> str:
    scene.graph.limit_file_size('pose_estimator', 100_000)
    refusal = scene.watch.trigger('pose_estimator/capture_reference')
    scene.graph.limit_file_size('pose_estimator', None)
    if not (refusal and refusal.startswith('no reference captured')):
        return f'capture_reference said {refusal!r}'
    left = [path.name for path in scene.graph.reference.parent.iterdir()]
    return '' if left == [scene.graph.reference.name] else f'capture_reference left {left}'


def _truncated_weights(scene: Scene) -> str:
    weights = resource_path('weights/scene_agnostic.onnx').read_bytes()
    size = int(scene.random.integers(len(weights)))
    path = scene.graph.folder / 'truncated.onnx'
    path.write_bytes(weights[:size])
    status = scene.graph.run_estimator(
        {'model': str(path), 'library': str(scene.graph.folder / 'none')}, 'truncated'
    )
    return '' if status == 1 else f'weights of {size} bytes: exit status {status} instead of 1'


def _random_parameters(scene: Scene) -> str:
    each = _VALUES_A_TRY // len(_FUZZED)
    problems = (fuzz_parameters(scene.watch, node, scene.random, each) for node in _FUZZED)
    return '; '.join(filter(None, problems))


def _many_clients(scene: Scene) -> str:
    names = [
        'pbvs_controller/start', 'pbvs_controller/stop', 'pose_estimator/capture_reference',
        'pose_estimator/load_reference',
    ]  # fmt: skip
    chosen = [str(name) for name in scene.random.choice(names, size=12)]
    answers: list[object] = []

    def call(name: str) -> None:
        client = scene.watch.node.create_client(Trigger, name)
        if wait_for(client.service_is_ready, 5.0):
            future = client.call_async(Trigger.Request())
            wait_for(future.done, 40.0)
            if future.done():
                answers.append(future.result())
        scene.watch.node.destroy_client(client)

    threads = [threading.Thread(target=call, args=(name,)) for name in chosen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return '' if len(answers) == len(chosen) else f'{len(answers)} of {len(chosen)} calls were answered'


def _killed(name: str, number: signal.Signals) -> Fault:
    # The simulated arm goes with its simulator: there is no motion left to watch.
    return Fault(
        partial(_kill, name, number),
        rests=name != 'simulator',
        mute=name in ('simulator', 'differential_ik') and number == signal.SIGKILL,
        restarts=True,
        by_itself=False,
        # With nobody to drive the arm the task ends; a camera or an estimator may be back in time.
        ends=name in ('differential_ik', 'pbvs_controller'),
    )


def _frozen(name: str) -> Fault:
    mute = name in ('simulator', 'differential_ik')
    # A controller that comes to hears of the past all at once, in which the arm was not driven.
    by_itself = name not in ('simulator', 'differential_ik', 'pbvs_controller')
    return Fault(partial(_freeze, name), rests=name != 'simulator', mute=mute, by_itself=by_itself)


FAULTS: dict[str, Fault] = {
    **{f'kill -9 {name}': _killed(name, signal.SIGKILL) for name in NODES},
    **{f'freeze {name}': _frozen(name) for name in NODES},
    'SIGINT pbvs_controller': _killed('pbvs_controller', signal.SIGINT),
    'SIGTERM differential_ik': _killed('differential_ik', signal.SIGTERM),
    'SIGHUP pbvs_controller': _killed('pbvs_controller', signal.SIGHUP),
    'SIGQUIT differential_ik': _killed('differential_ik', signal.SIGQUIT),
    'stop at 0.001 m/s^2': Fault(
        partial(_with, {'limits.linear_acceleration': 0.001, 'limits.angular_acceleration': 0.001}, _stop),
        rests=True,
        by_itself=False,
        ends=True,
    ),
    'stop at another rate': Fault(partial(_with, {'rate': 1000.0}, _stop), rests=True, by_itself=False, ends=True),
    'travel limit reached': Fault(
        partial(_with, {'travel_limit': 0.001}, _nothing), rests=True, by_itself=False, ends=True
    ),
    'gain of 20': Fault(
        partial(_with, {'gain.at_zero': 20.0, 'gain.at_infinity': 20.0}, _nothing), by_itself=False
    ),
    'start without images': Fault(_start_without_images, rests=True, by_itself=False, ends=True),
    'target hidden': Fault(partial(_images, 'hidden'), rests=True),
    'search for a hidden target': Fault(
        partial(_with, {'lost_behaviour': 'search'}, partial(_images, 'hidden')), by_itself=False
    ),
    'stop with a starved timer': Fault(_starved, rests=True, by_itself=False, ends=True),
    'arm does not follow': Fault(_arm_stands, rests=True, by_itself=False, ends=True, hold=_LONG_HOLD),
    'frozen picture': Fault(partial(_images, 'frozen'), rests=True, by_itself=False),
    'frozen picture with noise': Fault(
        partial(_images, 'frozen, noisy'), rests=True, by_itself=False, ends=True, hold=_LONG_HOLD
    ),
    'picture turned by half': Fault(partial(_images, 'turned'), rests=True, by_itself=False),
    'no such transitions': Fault(_no_such_transitions),
    'images stop': Fault(partial(_images, 'silent'), rests=True),
    'images 0.5 s late': Fault(partial(_images, 'late'), rests=True),
    'half of the images lost': Fault(partial(_images, 'drop')),
    'images duplicated': Fault(partial(_images, 'duplicate')),
    'images reordered': Fault(partial(_images, 'reorder')),
    'wrong encoding': Fault(partial(_images, 'encoding'), rests=True),
    'wrong size': Fault(partial(_images, 'size'), rests=True),
    'wrong step': Fault(partial(_images, 'step'), rests=True),
    'empty image': Fault(partial(_images, 'empty'), rests=True),
    'zero K': Fault(partial(_images, 'zero_k'), rests=True),
    'another calibration': Fault(partial(_images, 'calibration'), rests=True),
    'camera at another resolution': Fault(partial(_images, 'resolution'), rests=True),
    'poses of NaN': Fault(partial(_repeat, lambda watch, _: watch.send_nan_pose())),
    # Where these keep the arm from following for long enough the task ends.
    'twists of NaN': Fault(partial(_repeat, lambda watch, _: watch.send_nan_twist()), rests=True, by_itself=False),
    'broken joint_states': Fault(partial(_repeat, Watch.send_broken_joint_state), by_itself=False),
    'twists of a second sender': Fault(
        partial(_repeat, lambda watch, _: watch.send_rival_twist(0.1)), rests=True, by_itself=False
    ),
    'twists of 10 m/s': Fault(
        partial(_repeat, lambda watch, _: watch.send_rival_twist(10.0)), rests=True, by_itself=False
    ),
    'a gripper on joint_states': Fault(partial(_repeat, lambda watch, _: watch.send_gripper_state())),
    'joint states that jump': Fault(
        partial(_repeat, lambda watch, _: watch.send_jump()), rests=True, by_itself=False
    ),
    'another robot_description': Fault(_other_description, rests=True, restarts=True, by_itself=False),
    'SIGINT to controller and kinematics': Fault(
        _interrupted_together, rests=True, restarts=True, by_itself=False
    ),
    'broken commands': Fault(partial(_repeat, Watch.send_broken_command)),
    'clock 5 s forward': Fault(partial(_clock, 5.0), by_itself=False),
    'clock 5 s back': Fault(partial(_clock, -5.0)),
    'clock stands still': Fault(partial(_images, 'no_clock'), rests=True),
    'reference deleted': Fault(_reference_deleted, by_itself=False, new_reference=True),
    'full disk on capture': Fault(_full_disk),
    'truncated weights': Fault(_truncated_weights),
    f'{_VALUES_A_TRY} random parameter values': Fault(_random_parameters, by_itself=False),
    'twelve clients at once': Fault(_many_clients, by_itself=False, new_reference=True),
}
"""All faults by name."""
