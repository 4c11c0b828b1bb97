"""Continuous integration calls what there is: its YAML, its shell lines, and what these name."""

import re
import subprocess

import pytest
import yaml

from test import ROOT

WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))
JOBS = [
    pytest.param(job, id=f'{path.stem}-{name}')
    for path in WORKFLOWS
    for name, job in yaml.safe_load(path.read_text())['jobs'].items()
]


def shell_lines(job):
    return [step['run'] for step in job['steps'] if 'run' in step]


def test_ci_runs_on_every_python_that_is_supported():
    jobs = [job.values[0] for job in JOBS]
    (pythons,) = [job['strategy']['matrix']['python'] for job in jobs if '.ci/run' in shell_lines(job)]
    assert pythons == ['3.11', '3.12']
    assert (ROOT / '.ci' / 'run').stat().st_mode & 0o100


@pytest.mark.parametrize('job', JOBS)
def test_each_job_says_where_it_runs_and_each_step_does_one_thing(job):
    assert job['runs-on']
    for step in job['steps']:
        assert ('run' in step) != ('uses' in step), step
        assert 'uses' not in step or re.fullmatch(r'actions/[\w-]+@v\d+', step['uses']), step


@pytest.mark.parametrize('job', JOBS)
def test_shell_lines_are_shell_and_name_what_exists(job):
    makefile = (ROOT / 'Makefile').read_text()
    for text in shell_lines(job):
        checked = subprocess.run(['bash', '-n'], input=text, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        for target in re.findall(r'\bmake (\w+)', text):
            assert re.search(rf'^{target}:', makefile, re.M), target
        for name in re.findall(r'constraints/[\w.]+', text):
            assert (ROOT / name).is_file(), name
        for names in re.findall(r'for file in ([\w ]+);', text):
            launch_files = {path.name.partition('.')[0] for path in (ROOT / 'launch').glob('*.launch.py')}
            assert set(names.split()) == launch_files
