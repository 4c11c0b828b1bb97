"""The documentation says what is so: links lead somewhere, commands are accepted, quoted sentences are said."""

import itertools
import re
import shlex

import numpy as np
import pytest
import yaml

import cnn_vs_ros as vs
from cnn_vs_ros.command_line import make_parser as main_parser
from test import ROOT
from test.scenes import CAMERA, drawn_texture, view
from training.__main__ import make_parser as training_parser

PAGES = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')])
SOURCES = [*(ROOT / 'cnn_vs_ros').rglob('*.py'), ROOT / 'Makefile']


def names(page):
    return str(page.relative_to(ROOT))


def anchors(page):
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.M)
    return {re.sub(r'[^\w\- ]', '', heading.strip().lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', PAGES, ids=names)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if target.startswith(('http://', 'https://')):
            continue
        path, _, anchor = target.partition('#')
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f'{names(page)}: {target}'
        if anchor:
            assert anchor in anchors(found), f'{names(page)}: {target}'


def code_lines(page):
    """Logical lines of code: of fenced blocks, and of blocks indented by four (lists aside, by seven)."""
    text = page.read_text()
    blocks = re.findall(r'^```(?:sh|bash)?\n(.*?)^```', text, re.M | re.S)
    blocks += re.findall(r'^(?: {4,7}\S.*\n)+', text, re.M)
    for block in blocks:
        for line in block.replace('\\\n', ' ').splitlines():
            yield line.split('  #')[0].strip()


def commands():
    for page in PAGES:
        for line in code_lines(page):
            make = re.match(r'make (demo|test)\b(?: ARGS="([^"]*)")?$', line)
            if make and make[1] == 'demo':
                yield page, 'cnn_vs_ros', f'demo {make[2] or ""}'
            module = re.search(r'python3? -m (cnn_vs_ros|training) (.+)$', line)
            if module and '...' not in line:
                yield page, module[1], module[2]


COMMANDS = list(dict.fromkeys(commands()))


def test_there_are_commands_to_try():
    assert len(COMMANDS) > 20
    assert {module for _, module, _ in COMMANDS} == {'cnn_vs_ros', 'training'}


@pytest.mark.parametrize(('page', 'module', 'arguments'), COMMANDS, ids=[f'{m} {a}'[:60] for _, m, a in COMMANDS])
def test_commands_are_accepted(page, module, arguments):
    words = list(itertools.takewhile(lambda word: word not in ('>', '|', '&&', ';'), shlex.split(arguments)))
    parser = main_parser() if module == 'cnn_vs_ros' else training_parser()
    if '--help' in words:
        return  # argparse ends there, whatever else is said
    parser.parse_args(words)  # raises SystemExit for what it does not know


def test_the_snippet_of_the_readme_runs():
    (snippet,) = re.findall(r'^```python\n(.*?)^```', (ROOT / 'README.md').read_text(), re.M | re.S)
    image = view(drawn_texture(), np.eye(4))
    names = {'image': image, 'current_image': image, 'camera': CAMERA, 'vs': vs}
    exec(snippet, names)
    assert names['twist'].shape == (6,)
    assert not names['pose'].is_lost


def test_messages_that_are_explained_are_said():
    rows = re.findall(r'^\| (`.+?) \|', (ROOT / 'docs' / 'troubleshooting.md').read_text(), re.M)
    quotes = [quote for row in rows for quote in re.findall(r'`([^`]+)`', row)]
    assert len(quotes) > 10
    code = '\n'.join(path.read_text() for path in SOURCES)
    for quote in quotes:
        assert quote in code, quote


def test_versions_agree():
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == vs.__version__
    assert f'## {vs.__version__}' in (ROOT / 'CHANGELOG.md').read_text()
    assert f'<version>{vs.__version__}</version>' in (ROOT / 'package.xml').read_text()
