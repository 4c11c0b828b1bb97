"""Command line: ``python -m cnn_vs_ros``."""

import sys

from cnn_vs_ros.command_line import main

if __name__ == '__main__':
    sys.exit(main())
