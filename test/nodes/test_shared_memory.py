from __future__ import annotations

from pathlib import Path

import pytest

from cnn_vs_ros.nodes.shared_memory import lost_ports

HERS = '7f1-7f2 rw-s 00000000 00:1b 612 /dev/shm/fastrtps_port23915'


def process(folder: Path, maps: list[str], files: list[str]) -> Path:
    (folder / 'fd').mkdir()
    (folder / 'maps').write_text('\n'.join(maps))
    for number, file in enumerate(files):
        (folder / 'fd' / str(number)).symlink_to(file)
    return folder


@pytest.mark.parametrize(
    ('maps', 'files', 'lost'),
    [
        ([HERS + ' (deleted)'], ['/dev/shm/fastrtps_port23915_el'], ['fastrtps_port23915']),
        ([HERS + ' (deleted)'], ['/dev/shm/fastrtps_port23915_el (deleted)', 'socket:[1]'], []),
        ([HERS], ['/dev/shm/fastrtps_port23915_el'], []),
        ([HERS + ' (deleted)'], ['/dev/shm/fastrtps_port23917_el'], []),  # that of a neighbour who has ended
        ([HERS + ' (deleted)'], ['/dev/shm/fastrtps_aa312050b9d05cb0_el'], []),
        (['7f1-7f2 r--p 0 00:1b 7 /lib/libfastrtps.so (deleted)'], ['/lib/libfastrtps.so'], []),
        ([HERS.replace('rtps', 'dds') + ' (deleted)'], ['/dev/shm/fastdds_port23915_el'], ['fastdds_port23915']),
    ],
)
def test_a_port_is_lost_when_its_listener_holds_removed_memory(maps, files, lost, tmp_path):
    assert lost_ports(process(tmp_path, maps, files)) == lost


def test_where_there_is_no_proc_none_is_lost(tmp_path):
    assert lost_ports(tmp_path) == []


def test_this_process_has_lost_none():
    assert lost_ports() == []
