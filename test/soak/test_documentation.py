"""docs/safety: the table is what the command wrote, of all faults, and none of them exceeded its limits."""

from __future__ import annotations

import json
from pathlib import Path

from cnn_vs_ros.soak.faults import FAULTS
from cnn_vs_ros.soak.report import NO_FAULT, FaultResult, SoakReport


def test_the_documented_soak_is_one_of_the_command_and_each_fault_held_its_limits():
    folder = Path(__file__).resolve().parents[2] / 'docs' / 'safety'
    content = json.loads((folder / 'soak.json').read_text())
    violations = content.pop('violations')
    faults = {name: FaultResult(**item) for name, item in content.pop('faults').items()}
    report = SoakReport(**content, faults=faults)
    assert report.violations() == violations
    assert {name: result.violations() for name, result in faults.items() if result.violations()} == {}
    assert report.last_converged
    assert (folder / 'soak.md').read_text() == report.markdown()
    assert set(report.faults) == {*FAULTS, NO_FAULT}
