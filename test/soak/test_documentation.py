"""docs/safety: the table is what the command wrote, of all faults; none exceeded a limit of speed or of rest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from test.soak.faults import FAULTS
from test.soak.report import NO_FAULT, SoakReport


def test_the_documented_soak_is_one_of_the_command_and_each_fault_held_the_limits_of_speed_and_rest():
    folder = Path(__file__).resolve().parents[2] / 'docs' / 'safety'
    report = SoakReport.read(folder / 'soak.json')
    assert report.violations() == []
    assert report.runs_converged == report.runs
    assert report.violations() == json.loads((folder / 'soak.json').read_text())['violations']
    limits = {name: replace(result, problems=[]).violations() for name, result in report.faults.items()}
    assert {name: found for name, found in limits.items() if found} == {}
    assert report.last_converged
    assert (folder / 'soak.md').read_text() == report.markdown()
    assert set(report.faults) == {*FAULTS, NO_FAULT}
