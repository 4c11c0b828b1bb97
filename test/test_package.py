"""The package is what package.xml, setup.py and pyproject.toml say it is."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import cnn_vs_ros
from cnn_vs_ros import resources
from cnn_vs_ros.errors import ResourceError
from cnn_vs_ros.graph.table import NODES
from test import ROOT

MANIFEST = ET.parse(ROOT / 'package.xml').getroot()
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']

DEPENDENCIES = {
    'coal': 'pinocchio',
    'cv2': 'python3-opencv',
    'hppfcl': 'pinocchio',
    'imageio_ffmpeg': 'ffmpeg',
    'matplotlib': 'python3-matplotlib',
    'moveit': 'moveit_py',
    'mujoco': 'python3-mujoco-pip',
    'numpy': 'python3-numpy',
    'onnxruntime': 'python3-onnxruntime-pip',
    'pinocchio': 'pinocchio',
    'transforms3d': 'python3-transforms3d',
    'yaml': 'python3-yaml',
}
"""rosdep keys of the imports whose key is not their name."""


OPTIONAL = {'rosbags': 'bag', 'viser': 'view', 'websockets': 'view'}
"""Imports that rosdep has no key for, with the extra of pyproject.toml that installs them from PyPI."""


def imports(folder):
    for path in folder.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name.partition('.')[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield node.module.partition('.')[0], path


def test_manifest_says_format_name_version_and_licence():
    assert MANIFEST.get('format') == '3'
    assert MANIFEST.findtext('name') == PROJECT['name'] == 'cnn_vs_ros'
    assert MANIFEST.findtext('version') == cnn_vs_ros.__version__
    assert MANIFEST.findtext('license') == PROJECT['license']['text'] == 'Apache-2.0'
    assert MANIFEST.findtext('export/build_type') == 'ament_python'
    assert re.fullmatch(r'[\w.+-]+@[\w-]+(\.[\w-]+)+', MANIFEST.find('maintainer').get('email'))
    assert 'Apache License' in (ROOT / 'LICENSE').read_text()


def test_every_import_is_declared_by_its_rosdep_key():
    declared = {element.text for element in MANIFEST if element.tag.endswith('depend')}
    ours = {'cnn_vs_ros'} | sys.stdlib_module_names
    for folder in (ROOT / 'cnn_vs_ros', ROOT / 'launch'):
        for module, path in imports(folder):
            if (
                module not in ours and module not in OPTIONAL and module != 'builtin_interfaces'
            ):  # comes with every message package
                assert DEPENDENCIES.get(module, module) in declared, f'{module}, imported by {path}'


@pytest.mark.filterwarnings('ignore::DeprecationWarning')  # within catkin_pkg
@pytest.mark.parametrize(
    ('wanted', 'installed'),
    [
        ((), set()),
        (('GAZEBO',), {'gz_ros2_control', 'ros_gz_bridge', 'ros_gz_sim'}),
        (('RVIZ', 'PLOTJUGGLER'), {'rviz2', 'plotjuggler_ros'}),
    ],
)
def test_rosdep_installs_gazebo_moveit_rviz_and_plotjuggler_only_where_they_are_asked_for(wanted, installed):
    package = pytest.importorskip('catkin_pkg.package').parse_package(ROOT / 'package.xml')
    package.evaluate_conditions({f'CNN_VS_ROS_{name}': '1' for name in wanted})
    needed = {dependency.name for dependency in package.exec_depends if dependency.evaluated_condition}
    big = {name for name in needed if re.match('gz_|ros_gz_|moveit|rviz|plotjuggler', name)}
    assert big == installed
    assert {'rclpy', 'launch_ros', 'controller_manager', 'python3-opencv'} <= needed


def test_every_optional_import_is_in_its_extra():
    for module, extra in OPTIONAL.items():
        assert module in {Requirement(item).name for item in PROJECT['optional-dependencies'][extra]}


def requirements(*extras):
    """Requirements of extras, of those that they name in turn, and of the package itself."""
    found = [Requirement(item) for item in PROJECT['dependencies']]
    for extra in extras:
        for item in map(Requirement, PROJECT['optional-dependencies'][extra]):
            found += requirements(*item.extras) if item.name == PROJECT['name'] else [item]
    return found


def constraints(name):
    lines = (line.partition('#')[0].strip() for line in (ROOT / 'constraints' / name).read_text().splitlines())
    return dict(line.split('==') for line in lines if line)


def test_every_requirement_is_a_range_that_holds_the_version_it_was_tested_with():
    tested = constraints('tested.txt')
    needed = requirements(*PROJECT['optional-dependencies'])
    for requirement in needed:
        assert sorted(part.operator for part in requirement.specifier) == ['<', '>='], requirement
        assert tested[requirement.name] in requirement.specifier, requirement
    assert set(tested) == {requirement.name for requirement in needed}


def test_the_ranges_begin_with_the_oldest_versions_that_the_demo_is_tried_with():
    oldest = constraints('oldest.txt')
    needed = [item for item in requirements('demo') if not item.name.startswith('ros-')]
    for requirement in needed:
        assert f'>={oldest[requirement.name]}' in str(requirement.specifier).split(','), requirement
    assert set(oldest) == {requirement.name for requirement in needed}


def test_the_demo_needs_no_torch():
    extras = PROJECT['optional-dependencies']
    groups = [PROJECT['dependencies'], extras['jazzy'], extras['simulation'], extras['report'], extras['bag']]
    assert extras['demo'] == ['cnn_vs_ros[jazzy,simulation,report,bag]']
    assert not [item for group in groups for item in group if item.startswith('torch')]
    assert 'torch' not in {module for module, _ in imports(ROOT / 'cnn_vs_ros')}


def test_the_core_does_not_import_ros():
    for module, path in imports(ROOT / 'cnn_vs_ros'):
        if module in ('rclpy', 'launch', 'launch_ros') or module.endswith('_msgs'):
            assert any(path.is_relative_to(ROOT / 'cnn_vs_ros' / part) for part in ('nodes', 'commander.py')), path


@pytest.mark.parametrize('name', NODES)
def test_every_executable_has_a_main(name):
    specification = importlib.util.find_spec(f'cnn_vs_ros.nodes.{name}')
    tree = ast.parse(Path(specification.origin).read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    # An installed script calls main() and exits with what it returns.
    assert len(functions['main'].args.defaults) == len(functions['main'].args.args)


def test_resources_are_found():
    assert resources.share_directory() == ROOT
    assert resources.resource_path('weights/scene_agnostic.onnx').is_file()
    assert resources.config_path('fastdds.xml').is_file()


def test_the_profile_for_several_computers_is_the_other_without_its_bound():
    one, several = (ET.parse(ROOT / 'config' / name) for name in ('fastdds.xml', 'fastdds_network.xml'))
    space = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'
    for parent in one.iter(f'{space}transport_descriptor'):
        for whitelist in parent.findall(f'{space}interfaceWhiteList'):
            parent.remove(whitelist)
    texts = [[(item.tag, (item.text or '').strip()) for item in tree.iter()] for tree in (one, several)]
    names = {'one_computer': 'several_computers', 'loopback': 'network'}
    assert [(tag, names.get(text, text)) for tag, text in texts[0]] == texts[1]


def test_a_missing_resource_is_said_with_those_there_are():
    with pytest.raises(ResourceError, match=r'expected resource/weights/nothing\.onnx .*scene_agnostic\.onnx'):
        resources.resource_path('weights/nothing.onnx')


def copy_sources(destination):
    ignore = shutil.ignore_patterns('__pycache__')
    for name in ('cnn_vs_ros', 'launch', 'config', 'resource', 'docs'):
        shutil.copytree(ROOT / name, destination / name, ignore=ignore)
    for name in ('package.xml', 'setup.py', 'setup.cfg', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, destination)


needs_colcon = pytest.mark.skipif(
    importlib.util.find_spec('colcon_core') is None, reason='colcon-common-extensions is not installed'
)


@needs_colcon
def test_colcon_builds_it_as_an_ament_python_package(tmp_path):
    source = tmp_path / 'src'
    source.mkdir()
    copy_sources(source)

    def colcon(*arguments):
        command = [sys.executable, '-m', 'colcon', '--log-base', str(tmp_path / 'log'), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    # An invalid package.xml degrades it to plain python without a word.
    assert colcon('list', '--base-paths', 'src').split() == ['cnn_vs_ros', 'src', '(ros.ament_python)']
    colcon('build', '--base-paths', 'src')
    prefix = tmp_path / 'install' / 'cnn_vs_ros'
    share = prefix / 'share' / 'cnn_vs_ros'
    assert (prefix / 'share/ament_index/resource_index/packages/cnn_vs_ros').is_file()
    for name in (
        'package.xml',
        'config/servo.yaml',
        'docs/nodes.md',
        'launch/servo.launch.py',
        'resource/weights/scene_agnostic.onnx',
    ):
        assert (share / name).is_file(), name
    assert sorted(path.name for path in (prefix / 'lib' / 'cnn_vs_ros').iterdir()) == sorted(NODES)
    package = next(prefix.glob('lib/python3*/site-packages'))
    assert (package / 'cnn_vs_ros' / 'py.typed').is_file()  # a user's mypy reads our types
    found = subprocess.run(
        [sys.executable, '-c', 'from cnn_vs_ros.resources import share_directory as s; print(s())'],
        cwd=tmp_path,
        env={'PYTHONPATH': str(package)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()) == share.resolve()


@needs_colcon
def test_what_colcon_links_instead_of_installing_starts(tmp_path):
    """`--symlink-install` links setup.py, not pyproject.toml, to where it runs it."""
    source = tmp_path / 'src'
    source.mkdir()
    copy_sources(source)
    build = [
        sys.executable,
        '-m',
        'colcon',
        '--log-base',
        'log',
        'build',
        '--base-paths',
        'src',
        '--symlink-install',
    ]
    subprocess.run(build, cwd=tmp_path, capture_output=True, check=True)
    launch = 'launch/servo.launch.py'
    share = tmp_path / 'install/cnn_vs_ros/share/cnn_vs_ros'
    assert (share / launch).resolve() == (source / launch).resolve()
    assert (tmp_path / 'build/cnn_vs_ros/cnn_vs_ros.egg-info').is_dir()  # else its scripts ask for UNKNOWN
    command = '. install/local_setup.sh && install/cnn_vs_ros/lib/cnn_vs_ros/check_arm --help'
    shown = subprocess.run(['bash', '-c', command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert '## check_arm' in shown.stdout
