"""Entry points and data files of the ament_python package; the metadata and dependencies are in pyproject.toml."""

from pathlib import Path
from runpy import run_path

from setuptools import find_packages, setup

PACKAGE = 'cnn_vs_ros'
NODES = run_path('cnn_vs_ros/graph/table.py')['NODES']


def shared_files():
    """Return the data files: a (destination, files) pair for each folder of launch/, config/ and resource/.

    With them the pages that ``--help`` of a node reads.
    """
    files = [path for top in ('launch', 'config', 'resource') for path in Path(top).rglob('*') if path.is_file()]
    files += [Path('docs', page) for page in ('nodes.md', 'tools.md', 'moveit.md')]
    files = [path for path in files if path.suffix != '.pyc' and path.name != PACKAGE]
    folders = sorted({path.parent for path in files})
    return [
        (f'share/{PACKAGE}/{folder.as_posix()}', sorted(str(path) for path in files if path.parent == folder))
        for folder in folders
    ]


setup(
    name=PACKAGE,  # colcon's --symlink-install does not bring pyproject.toml
    python_requires='>=3.11',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*', 'training', 'training.*']),
    package_data={PACKAGE: ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        *shared_files(),
    ],
    entry_points={'console_scripts': [f'{name} = {PACKAGE}.nodes.__main__:{name}' for name in NODES]},
    zip_safe=False,
)
