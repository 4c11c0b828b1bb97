from __future__ import annotations

import pytest

from cnn_vs_ros.environment import RANGE, profile_variable
from cnn_vs_ros.nodes.transport import ONE_COMPUTER, PROFILES, leave_shared_memory
from cnn_vs_ros.resources import config_path

PROFILE = profile_variable({})


@pytest.mark.parametrize(('shared', 'alone'), PROFILES.items())
def test_our_profile_is_taken_without_its_shared_memory(shared, alone):
    variables = {PROFILE: str(config_path(shared)), RANGE: 'SUBNET'}
    leave_shared_memory(variables)
    assert variables == {PROFILE: str(config_path(alone)), RANGE: 'SUBNET'}
    assert '<type>SHM' in config_path(shared).read_text()
    assert '<type>UDPv4' in config_path(alone).read_text()
    assert 'SHM' not in config_path(alone).read_text()


@pytest.mark.parametrize('profile', [None, *PROFILES, *PROFILES.values()])
def test_what_is_kept_to_this_computer_stays_so_by_the_profile(profile):
    variables = {RANGE: 'LOCALHOST'}
    if profile is not None:
        variables[PROFILE] = str(config_path(profile))
    leave_shared_memory(variables)
    assert variables == {PROFILE: str(config_path(ONE_COMPUTER))}
    assert '<address>127.0.0.1</address>' in config_path(ONE_COMPUTER).read_text()


def test_without_a_profile_it_is_udp():
    variables: dict[str, str] = {}
    leave_shared_memory(variables)
    assert variables == {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}


@pytest.mark.parametrize('name', ['mine.xml', 'fastdds.xml'])
def test_a_profile_of_the_users_stays(name, tmp_path):
    variables = {PROFILE: str(tmp_path / name), RANGE: 'LOCALHOST'}
    leave_shared_memory(variables)
    assert variables == {PROFILE: str(tmp_path / name), RANGE: 'LOCALHOST'}


def test_a_copy_that_lacks_the_profile_of_one_computer_stays_kept_to_it(tmp_path):
    for name in ('fastdds_network.xml', 'fastdds_network_control.xml'):
        (tmp_path / name).write_text('')
    variables = {PROFILE: str(tmp_path / 'fastdds_network.xml'), RANGE: 'LOCALHOST'}
    leave_shared_memory(variables)
    assert variables == {PROFILE: str(tmp_path / 'fastdds_network_control.xml'), RANGE: 'LOCALHOST'}
