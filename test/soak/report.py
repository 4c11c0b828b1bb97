"""What the soak found: for each fault the worst of all tries, as Markdown and JSON, of one run or of several."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.foreign.json_text import parse_json

REST_LIMIT = 1.0
"""Seconds of the arm from a fault to rest."""
JOINT_LIMIT = 3.0
"""rad/s; measured speeds may exceed it by the overshoot of the joints' own control."""
OVERSHOOT = 1.02
TWIST_LIMITS = (0.25, 1.0)
"""m/s and rad/s."""
NO_FAULT = 'none'
"""Name of the runs to convergence in between."""
MEMORY_LIMIT = 15.0
"""MiB that one process may grow by in its later life: see SoakGraph.growth."""
UNFINISHED = 'ended before its time'
"""What a run is that was interrupted or killed."""


class ReportError(VisualServoingError):
    """A file is no report of the soak."""


@dataclass
class FaultResult:
    """The worst of all tries of one fault: seconds, rad/s, m/s and rad/s; `way` in metres, from fault to rest."""

    tries: int = 0
    rests: bool = False
    time_to_rest: float = 0.0
    joint_velocity: float = 0.0
    commanded_velocity: float = 0.0
    linear_velocity: float = 0.0
    angular_velocity: float = 0.0
    time_to_servo: float = 0.0
    not_finite: int = 0
    problems: list[str] = field(default_factory=list)
    way: float = 0.0

    def worst(self, other: FaultResult) -> FaultResult:
        """Both together: the greater value of each, all tries and all problems."""
        mine, theirs = asdict(self), asdict(other)
        summed = ('tries', 'problems', 'not_finite')
        return FaultResult(
            **{key: mine[key] + theirs[key] if key in summed else max(mine[key], theirs[key]) for key in mine}
        )

    def violations(self) -> list[str]:
        """Sentences about the limits that did not hold."""
        found = list(self.problems)
        if self.rests and self.time_to_rest > REST_LIMIT:
            found.append(f'rest after {self.time_to_rest:.2f} s')
        if self.joint_velocity > JOINT_LIMIT * OVERSHOOT or self.commanded_velocity > JOINT_LIMIT + 1e-9:
            found.append(f'joint at {max(self.joint_velocity, self.commanded_velocity):.3f} rad/s')
        if self.linear_velocity > TWIST_LIMITS[0] + 1e-9 or self.angular_velocity > TWIST_LIMITS[1] + 1e-9:
            found.append(f'twist of {self.linear_velocity:.3f} m/s, {self.angular_velocity:.3f} rad/s')
        if self.not_finite:
            found.append(f'{self.not_finite} velocities that are not finite')
        return found


@dataclass
class SoakReport:
    """All results of a soak, or of several; memory in MiB, processor time in percent of one core.

    `aborted` says why a run ended early, if it did.
    """

    seeds: list[int]
    seconds: float = 0.0
    arm_seconds: float = 0.0
    faults: dict[str, FaultResult] = field(default_factory=dict)
    runs_converged: int = 0
    runs: int = 0
    last_converged: bool = False
    memory_growth: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    cpu_percent: dict[str, float] = field(default_factory=dict)
    tracebacks: list[str] = field(default_factory=list)
    aborted: str = ''

    @classmethod
    def read(cls, path: Path) -> SoakReport:
        """Report that `write` wrote. Raises ReportError for a file that is none."""
        try:
            content = parse_json(path.read_text())
            content = {key: content[key] for key in (item.name for item in fields(cls))}
            results = {name: FaultResult(**item) for name, item in content.pop('faults').items()}
            return cls(**content, faults=results)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ReportError(f'{path} should be the soak.json of a soak but: {error!r}') from error

    def merged(self, other: SoakReport) -> SoakReport:
        """Report of both runs: the worst of each. A run that was merely interrupted counts as far as it went."""
        result = SoakReport([*self.seeds, *other.seeds], self.seconds + other.seconds)
        result.arm_seconds = self.arm_seconds + other.arm_seconds
        result.runs, result.runs_converged = self.runs + other.runs, self.runs_converged + other.runs_converged
        finished = [run for run in (self, other) if run.aborted != UNFINISHED]
        result.last_converged = all(run.last_converged for run in finished or [other])
        result.aborted = '; '.join(run.aborted for run in finished if run.aborted)
        for run in (self, other):
            for name, fault in run.faults.items():
                result.add(name, fault)
            result.tracebacks = sorted({*result.tracebacks, *run.tracebacks})
            for mine, theirs in zip(result._figures(), run._figures(), strict=True):
                mine |= {name: max(value, mine.get(name, value)) for name, value in theirs.items()}
        return result

    def _figures(self) -> tuple[dict[str, float], ...]:
        return self.memory_growth, self.memory, self.cpu_percent

    def tries(self, name: str) -> int:
        """How often a fault was tried."""
        return self.faults[name].tries if name in self.faults else 0

    def add(self, name: str, result: FaultResult) -> None:
        """Add the result of one try of a fault."""
        self.faults[name] = self.faults[name].worst(result) if name in self.faults else result

    def violations(self) -> list[str]:
        """Every limit that did not hold, with its fault."""
        found = [f'{name}: {text}' for name, result in self.faults.items() for text in result.violations()]
        found += [
            f'{name} grew by {mib:.0f} MiB' for name, mib in self.memory_growth.items() if mib > MEMORY_LIMIT
        ]
        found += [f'traceback in {name}.log' for name in self.tracebacks]
        if self.aborted:
            found.append(self.aborted)
        if not self.last_converged:
            found.append('the last run did not converge')
        return found

    def summary(self) -> str:
        """One line."""
        faults = {name: result for name, result in self.faults.items() if name != NO_FAULT}
        tries = sum(result.tries for result in faults.values())
        rest = max((r.time_to_rest for r in self.faults.values() if r.rests), default=0.0)
        speed = max((r.joint_velocity for r in self.faults.values()), default=0.0)
        bad = self.violations()
        verdict = 'every limit held' if not bad else f'{len(bad)} VIOLATED, first: {bad[0]}'
        return (
            f'soak: {verdict}; {tries} faults of {len(faults)} kinds in {self.seconds / 60:.1f} min '
            f'({self.arm_seconds / 60:.1f} of the arm), '
            f'worst rest {rest:.2f} s, fastest joint {speed:.2f} rad/s, '
            f'{self.runs_converged} of {self.runs} runs converged, {self._seeds()}'
        )

    def _seeds(self) -> str:
        return f'{"seed" if len(self.seeds) == 1 else "seeds"} {", ".join(map(str, self.seeds))}'

    def markdown(self) -> str:
        """Tables for the documentation."""
        lines = [
            '| fault | tries | worst time to rest, s | longest way, mm | joint, rad/s | command, rad/s '
            '| twist, m/s | twist, rad/s | servoes again after, s |',
            '|---|---|---|---|---|---|---|---|---|',
        ]
        for name, r in self.faults.items():
            rest = f'{r.time_to_rest:.2f} | {1e3 * r.way:.1f}' if r.rests else '- | -'
            lines.append(
                f'| {name} | {r.tries} | {rest} | {r.joint_velocity:.2f} | {r.commanded_velocity:.2f} '
                f'| {r.linear_velocity:.3f} | {r.angular_velocity:.3f} | {r.time_to_servo:.1f} |'
            )
        lines += ['', '| process | memory, MiB | growth, MiB | processor, % of a core |', '|---|---|---|---|']
        for name, growth in self.memory_growth.items():
            memory, cpu = self.memory.get(name, 0.0), self.cpu_percent.get(name, 0.0)
            lines.append(f'| {name} | {memory:.0f} | {growth:.1f} | {cpu:.0f} |')
        lines += ['', self.summary(), *(f'- {text}' for text in self.violations())]
        return '\n'.join(lines) + '\n'

    def write(self, folder: Path) -> None:
        """Write soak.md and soak.json."""
        content: dict[str, Any] = {**asdict(self), 'violations': self.violations()}
        for name, text in ('soak.md', self.markdown()), ('soak.json', json.dumps(content, indent=1) + '\n'):
            (folder / f'.{name}').write_text(text)
            (folder / f'.{name}').replace(folder / name)  # whole, should the soak be killed just now
