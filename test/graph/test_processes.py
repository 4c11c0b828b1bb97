"""Processes live and die together."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from cnn_vs_ros.graph.processes import Ended, Interrupted, ProcessGroup, signals_raise

READY = 'ready'


def python(program):
    return [sys.executable, '-c', textwrap.dedent(program)]


OBEDIENT = python(f"""
    import time
    try:
        print('{READY}', flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print('zeros sent', flush=True)
""")
STUBBORN = python(f"""
    import signal, time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print('{READY}', flush=True)
    time.sleep(60)
""")


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'it did not happen in time'
        time.sleep(0.02)


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as stat:
            return stat.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.fixture
def group(tmp_path):
    with ProcessGroup(tmp_path, os.environ, grace=0.3) as group:
        yield group


def start_ready(group, name, command):
    group.start(name, command)
    wait_for(lambda: READY in group.last_lines(name))
    return group._processes[name]


def test_stop_asks_by_interrupt_first(tmp_path):
    with ProcessGroup(tmp_path, os.environ, grace=20.0) as group:
        process = start_ready(group, 'arm', OBEDIENT)
    assert process.returncode == 0
    assert group.last_lines('arm').endswith('zeros sent')


def test_stop_kills_what_does_not_obey(group):
    stubborn = start_ready(group, 'stubborn', STUBBORN)
    group.stop()
    assert stubborn.returncode == -signal.SIGKILL


def test_the_first_to_end_is_named_and_the_others_go_with_it(group):
    survivor = start_ready(group, 'survivor', STUBBORN)
    victim = start_ready(group, 'victim', OBEDIENT)
    victim.send_signal(signal.SIGKILL)
    ended = group.wait_for_first_end()
    assert ended == Ended('victim', -signal.SIGKILL)
    assert ended.reason == 'killed by SIGKILL'
    group.stop()
    assert not alive(survivor.pid)


def test_a_failure_is_named_before_an_end_in_order(group):
    for name, status in (('fine', 0), ('failed', 3)):
        group.start(name, python(f'raise SystemExit({status})'))
        wait_for(lambda name=name: group._processes[name].poll() is not None)
    ended = group.wait_for_first_end()
    assert (ended.name, ended.code, ended.reason) == ('failed', 3, 'exit status 3')


def test_a_command_that_cannot_be_run_leaves_nothing_behind(tmp_path):
    processes = []

    def start_all():
        with ProcessGroup(tmp_path, os.environ, grace=0.3) as group:
            processes.append(start_ready(group, 'arm', OBEDIENT))
            group.start('missing', ['/nonexistent/executable'])

    with pytest.raises(FileNotFoundError):
        start_all()
    assert not alive(processes[0].pid)


def test_a_process_that_ended_is_started_again_and_its_log_goes_on(group):
    assert not group.is_running('arm')
    start_ready(group, 'arm', OBEDIENT)
    assert group.is_running('arm')
    assert group.wait('arm', 0.0) is None
    group.signal('arm', signal.SIGKILL)
    assert group.wait('arm', 10.0) == group.code('arm') == -signal.SIGKILL
    assert not group.is_running('arm')
    group.signal('arm', signal.SIGKILL)  # to nobody
    group.start('arm', OBEDIENT)
    wait_for(lambda: group.last_lines('arm').count(READY) == 2)


def test_one_that_is_frozen_comes_to_its_end_too(tmp_path):
    with ProcessGroup(tmp_path, os.environ, grace=20.0) as group:
        process = start_ready(group, 'arm', OBEDIENT)
        group.signal('arm', signal.SIGSTOP)
    assert process.returncode == 0


def test_signals_interrupt_the_wait(group):
    start_ready(group, 'arm', OBEDIENT)
    with signals_raise(signal.SIGTERM):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(Interrupted) as interrupted:
            group.wait_for_first_end()
    assert interrupted.value.number == signal.SIGTERM


def test_children_of_a_killed_parent_end(tmp_path):
    parent = subprocess.Popen(
        python(f"""
            import os, pathlib, time
            from cnn_vs_ros.graph.processes import ProcessGroup
            group = ProcessGroup(pathlib.Path({str(tmp_path)!r}), os.environ)
            group.start('arm', {OBEDIENT!r})
            print(group._processes['arm'].pid, flush=True)
            time.sleep(60)
        """),
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())
    wait_for(lambda: READY in (tmp_path / 'arm.log').read_text())
    assert alive(child)
    parent.kill()
    parent.communicate()
    wait_for(lambda: not alive(child))
