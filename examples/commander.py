"""Take the present view as the reference, wait for the arm to be moved, servo back: beside a running graph."""

import sys

from cnn_vs_ros.commander import ServoCommander

namespace = sys.argv[1] if len(sys.argv) > 1 else ''
with ServoCommander(namespace) as arm:
    print(arm.capture())
    input('Move the arm, then press Enter. ')
    result = arm.servo(timeout=60.0)
    print(f'{result.status.value}: {result.reason}; {result.error_mm:.2f} mm, {result.error_deg:.3f} deg')
sys.exit(0 if result.arrived else 1)
