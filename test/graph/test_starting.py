"""How nodes are started as processes."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cnn_vs_ros.environment import profile_variable
from cnn_vs_ros.errors import ResourceError
from cnn_vs_ros.graph.private_domain import private_domain, release_domain
from cnn_vs_ros.graph.starting import environment, write_parameters
from test import ROOT

DOMAINS = 'cnn_vs_ros.graph.private_domain._DOMAINS'


@pytest.fixture
def _free_domains(monkeypatch, tmp_path):
    """Domains of which none is taken, by this process or another: their locks are elsewhere."""
    held: dict[int, int] = {}
    monkeypatch.setattr('cnn_vs_ros.graph.private_domain._held', held)
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    yield
    for domain in list(held):
        release_domain(domain)


def test_parameters_are_written_as_ros_reads_them(tmp_path):
    path = write_parameters(tmp_path / 'parameters.yaml', {'simulator': {'scene': 'photo'}})
    assert yaml.safe_load(path.read_text()) == {'/**/simulator': {'ros__parameters': {'scene': 'photo'}}}


@pytest.mark.usefixtures('_free_domains')
def test_environment_keeps_what_the_user_set_but_never_joins_the_users_domain(monkeypatch):
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
    monkeypatch.setattr(DOMAINS, range(42, 44))
    ours = environment(Path('logs'), theirs)
    assert ours['HOME'] == '/here'
    assert ours['ROS_DOMAIN_ID'] == '43'
    assert (ours['ROS_AUTOMATIC_DISCOVERY_RANGE'], ours['ROS_STATIC_PEERS']) == ('LOCALHOST', '')


@pytest.mark.usefixtures('_free_domains')
def test_no_two_demos_have_one_domain_and_one_that_is_released_is_anothers(monkeypatch):
    domains = range(42, 46)
    monkeypatch.setattr(DOMAINS, domains)
    script = (
        'import sys; from cnn_vs_ros.graph import private_domain as p; '
        f'p._DOMAINS = range({domains.start}, {domains.stop}); print(p.private_domain(), flush=True); input()'
    )
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
            for _ in domains[1:]
        ]
        taken = [int(other.stdout.readline()) for other in others]
        own = private_domain()
        assert {*taken, own} == set(domains)
        with pytest.raises(ResourceError, match='some ROS domain should be free'):
            private_domain()
        others[0].communicate('\n')
        assert private_domain() == taken[0]
        release_domain(own)
        assert private_domain() == own
        for other in others[1:]:
            other.communicate('\n')
