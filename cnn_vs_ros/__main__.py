"""Command line: ``python -m cnn_vs_ros demo``."""

import sys

from cnn_vs_ros.demo.command import main

if __name__ == '__main__':
    sys.exit(main())
