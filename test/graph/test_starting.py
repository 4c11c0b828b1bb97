"""How nodes are started as processes."""

import contextlib
import subprocess
import sys
from pathlib import Path

import yaml

from cnn_vs_ros.environment import profile_variable
from cnn_vs_ros.graph.private_domain import private_domain
from cnn_vs_ros.graph.starting import environment, write_parameters

ROOT = Path(__file__).resolve().parents[2]


def test_parameters_are_written_as_ros_reads_them(tmp_path):
    path = write_parameters(tmp_path / 'parameters.yaml', {'simulator': {'scene': 'photo'}})
    assert yaml.safe_load(path.read_text()) == {'/**/simulator': {'ros__parameters': {'scene': 'photo'}}}


def test_environment_keeps_what_the_user_set_but_never_joins_the_users_domain():
    ours = environment(Path('logs'), {})
    assert ours['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 0 < int(ours['ROS_DOMAIN_ID']) <= 101
    assert Path(ours[profile_variable({})]).is_file()
    assert ours['AMENT_PREFIX_PATH'] == sys.prefix
    theirs = {
        'ROS_DOMAIN_ID': '42',
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
        'ROS_STATIC_PEERS': '10.0.0.1',
        'HOME': '/here',
    }
    for _ in range(20):
        ours = environment(Path('logs'), theirs)
        assert ours['HOME'] == '/here'
        assert ours['ROS_DOMAIN_ID'] not in ('0', '42')
        assert (ours['ROS_AUTOMATIC_DISCOVERY_RANGE'], ours['ROS_STATIC_PEERS']) == ('LOCALHOST', '')


def test_no_two_demos_have_one_domain():
    script = 'from cnn_vs_ros.graph.private_domain import private_domain as d; print(d(), flush=True); input()'
    with contextlib.ExitStack() as stack:
        others = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, '-c', script],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
        ]
        domains = [int(other.stdout.readline()) for other in others] + [private_domain() for _ in range(5)]
        assert len(set(domains)) == len(domains)
        for other in others:
            other.communicate('\n')
