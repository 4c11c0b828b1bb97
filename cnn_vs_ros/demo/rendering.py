"""Check that images can be rendered without a display: ``python -m cnn_vs_ros.demo.rendering [--install]``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = ('libegl1', 'libgl1', 'libgl1-mesa-dri')
_CHECK = 'from cnn_vs_ros.simulation.offscreen import choose_backend as c; raise SystemExit(c() == "disable")'


def can_render() -> bool:
    """Whether EGL or OSMesa is there, asked in a fresh process."""
    return subprocess.run([sys.executable, '-c', _CHECK], check=False, stderr=subprocess.DEVNULL).returncode == 0


def install() -> bool:
    """Install the Debian packages if this is Debian and we are root; return whether apt-get says it did."""
    apt = shutil.which('apt-get')
    if apt is None or os.geteuid() != 0:
        return False
    environment = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
    for arguments in (['update', '-q'], ['install', '-qy', '--no-install-recommends', *PACKAGES]):
        if subprocess.run([apt, *arguments], check=False, env=environment).returncode != 0:
            return False
    return True


def main() -> int:
    """Return 0 when images can be rendered, after installing what is missing if `--install` is given."""
    if can_render():
        return 0
    if '--install' in sys.argv[1:]:
        print(f'rendering without a display needs EGL: installing {" ".join(PACKAGES)}', flush=True)
        if install() and can_render():
            return 0
    print(
        'error: rendering without a display needs EGL (or OSMesa), which is not there; '
        f'run "sudo apt-get install {" ".join(PACKAGES)}" (on Debian or Ubuntu), then try again',
        file=sys.stderr,
    )
    return 1


if __name__ == '__main__':
    sys.exit(main())
