"""An environment in which nodes cannot work is refused before any starts, by the name of the variable."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cnn_vs_ros.command_line import make_parser
from cnn_vs_ros.environment import (
    check_environment,
    keep_blas_to_one_core,
    profile_variable,
    remark,
    ros_home,
    user_path,
)
from cnn_vs_ros.errors import EnvironmentVariableError
from test import ROOT

GOOD = {'ROS_LOG_DIR': tempfile.gettempdir()}


@pytest.mark.parametrize(
    ('variables', 'sentence'),
    [
        ({'RMW_IMPLEMENTATION': 'rmw_nobody_cpp'}, 'RMW_IMPLEMENTATION should name .* but is rmw_nobody_cpp'),
        ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'OFF'}, 'ROS_AUTOMATIC_DISCOVERY_RANGE should .* but is OFF'),
        ({'HOME': ''}, 'HOME should be set, or ROS_HOME'),
        ({'HOME': '/proc'}, r'HOME should lead to .* logs .* but leads to /proc/\.ros/log'),
        ({'ROS_HOME': '/proc'}, 'ROS_HOME should lead to'),
        ({'ROS_LOG_DIR': '/dev/null/log'}, 'ROS_LOG_DIR should lead to'),
    ],
)
def test_what_nodes_cannot_work_with_is_named(variables, sentence):
    with pytest.raises(EnvironmentVariableError, match=sentence) as refused:
        check_environment(({} if {'HOME', 'ROS_HOME'} & set(variables) else GOOD) | variables)
    assert '\n' not in str(refused.value)


def test_what_nodes_can_work_with_is_taken(tmp_path):
    check_environment(GOOD)
    check_environment({'ROS_LOG_DIR': str(tmp_path / 'not' / 'yet')})
    check_environment(GOOD | {'RMW_IMPLEMENTATION': '', 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'})
    assert not remark(GOOD)


def test_a_discovery_server_is_remarked_upon():
    assert remark({'ROS_DISCOVERY_SERVER': '10.0.0.1:11811'}).startswith('ROS_DISCOVERY_SERVER is 10.0.0.1:11811')


def test_a_tilde_that_no_shell_replaced_is_the_home_folder(monkeypatch):
    monkeypatch.setenv('HOME', '/home/someone')
    assert user_path('~/runs') == Path('/home/someone/runs')
    parsed = make_parser().parse_args(['demo', '--output', '~/x'])
    assert parsed.output == Path('/home/someone/x')


def test_a_user_without_home_and_passwd_entry_is_told_so(monkeypatch):
    monkeypatch.delenv('HOME')
    monkeypatch.delenv('ROS_HOME', raising=False)
    monkeypatch.setattr('pwd.getpwuid', lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    with pytest.raises(EnvironmentVariableError, match='HOME should be set for the path ~/x but is not'):
        user_path('~/x')
    with pytest.raises(EnvironmentVariableError, match='HOME should be set'):
        ros_home()
    monkeypatch.setenv('ROS_HOME', '/var/ros')
    assert ros_home() == Path('/var/ros')


@pytest.mark.parametrize('words', ['demo', 'experiment planar', 'record', 'view', 'status', 'check_arm'])
def test_commands_say_it_before_anything_starts(words, tmp_path):
    command = [sys.executable, '-m', 'cnn_vs_ros', *words.split()]
    variables = os.environ | {'RMW_IMPLEMENTATION': 'rmw_nobody_cpp', 'PYTHONPATH': str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert ended.returncode == 2
    assert 'RMW_IMPLEMENTATION should name' in ended.stderr
    assert ended.stderr.count('\n') == 1
    assert not ended.stdout
    assert not list(tmp_path.iterdir())


def test_a_node_says_it_and_ends():
    command = [sys.executable, '-m', 'cnn_vs_ros.nodes', 'pose_estimator']
    variables = os.environ | {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'OFF'}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith('pose_estimator: ROS_AUTOMATIC_DISCOVERY_RANGE should')
    assert ended.stderr.count('\n') == 1


@pytest.mark.parametrize(
    ('rclpy', 'variables', 'name'),
    [
        ('7.1.6', {}, 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('7.1.6', {'FASTDDS_DEFAULT_PROFILES_FILE': 'mine.xml'}, 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('9.1.2', {}, 'FASTDDS_DEFAULT_PROFILES_FILE'),
        ('9.1.2', {'FASTRTPS_DEFAULT_PROFILES_FILE': 'mine.xml'}, 'FASTRTPS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_the_variable_of_the_profile_is_that_which_fast_dds_reads(monkeypatch, rclpy, variables, name):
    monkeypatch.setattr('cnn_vs_ros.environment.version', lambda _: rclpy)
    assert profile_variable(variables) == name


@pytest.mark.parametrize('package', ['cnn_vs_ros.nodes', 'training'])
def test_products_of_arrays_take_one_core_in_nodes_and_in_training(package):
    product = 'import os, numpy as np; a = np.ones((500, 500)); a @ a; print(len(os.listdir("/proc/self/task")))'
    inherited = {name: value for name, value in os.environ.items() if name != 'OPENBLAS_NUM_THREADS'}
    run = subprocess.run(
        [sys.executable, '-c', f'import {package}; {product}'],
        env=inherited,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == '1\n'


def test_cores_that_the_user_has_set_stay():
    variables = {'OPENBLAS_NUM_THREADS': '4'}
    keep_blas_to_one_core(variables)
    assert variables == {'OPENBLAS_NUM_THREADS': '4'}
