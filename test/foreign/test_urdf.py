"""Descriptions that are none: each is refused with a sentence, before a model is built of it."""

from __future__ import annotations

import pytest

from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.foreign.urdf import MAX_CHARACTERS, parse_urdf
from cnn_vs_ros.simulation import load_robot_description
from cnn_vs_ros.view.robot_shapes import robot_edges, robot_shapes

JOINT = '<joint name="{0}{1}" type="fixed"><parent link="{0}"/><child link="{1}"/></joint>'


def robot(*content: str) -> str:
    return f'<robot name="r">{"".join(content)}</robot>'


def links(names: str) -> str:
    return ''.join(f'<link name="{name}"/>' for name in names)


def visual(geometry: str) -> str:
    return robot(f'<link name="a"><visual><geometry>{geometry}</geometry></visual></link>')


CHAIN = ''.join(f'<link name="l{i}"/>' + JOINT.format(f'l{i}', f'l{i + 1}') for i in range(3000))
MALFORMED = {
    'no XML': ('<robot', 'not even XML'),
    'no robot': ('<html/>', 'should have a <robot> element but has <html>'),
    'entities': ('<!DOCTYPE r [<!ENTITY a "aaaa">]>' + robot(links('a')), 'no document type'),
    'levels': (robot('<a>' * 100 + '</a>' * 100), '64 levels'),
    'length': (robot(links('a'), ' ' * MAX_CHARACTERS), f'at most {MAX_CHARACTERS} characters'),
    'joints': (robot(CHAIN, '<link name="l3000"/>'), 'at most 500 joints but has 3000'),
    'no links': (robot(), 'should have links'),
    'one name twice': (robot(links('aa')), 'a name of its own'),
    'no such parent': (robot(links('b'), JOINT.format('a', 'b')), 'between two links'),
    'two roots': (robot(links('abc'), JOINT.format('a', 'b')), "one root link but has 'a', 'c'"),
    'two parents': (robot(links('abc'), JOINT.format('a', 'c'), JOINT.format('b', 'c')), 'child of one joint'),
    'a ring': (robot(links('abc'), JOINT.format('b', 'c'), JOINT.format('c', 'b')), 'among its own parents'),
    'no number': (visual('<box size="1 x 1"/>'), 'should have numbers'),
    'not finite': (visual('<box size="1 nan 1"/>'), 'numbers up to'),
    'too few': (visual('<box size="1 1"/>'), '3 numbers as size of <box>'),
}


@pytest.mark.parametrize('name', MALFORMED)
def test_a_malformed_description_is_refused_by_every_reader(name):
    urdf, sentence = MALFORMED[name]
    for read in (parse_urdf, robot_shapes, robot_edges):
        with pytest.raises(DescriptionError, match=sentence):
            read(urdf)


@pytest.mark.parametrize(
    'geometry', ['<box/>', '<cylinder radius="1"/>', '<sphere radius="-1"/>', '<sphere radius=""/>']
)
def test_a_shape_without_a_size_is_refused(geometry):
    with pytest.raises(DescriptionError):
        robot_shapes(visual(geometry))


def test_colours_beyond_their_range_are_clipped():
    material = '<material name="m"><color rgba="2 -1 0.5 1"/></material>'
    (shape,) = robot_shapes(visual('<sphere radius="1"/>').replace('</visual>', f'{material}</visual>'))
    assert shape.colour == (255, 0, 128)


def test_the_shipped_description_is_taken():
    assert parse_urdf(load_robot_description()).get('name') == 'arm'


@pytest.mark.parametrize('encoding', ['xxx', 'GB2312', 'UTF-16', 'latin-1'])
def test_what_a_text_says_of_its_encoding_is_of_its_file(encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?><robot name="ä"><link name="base"/></robot>'
    assert parse_urdf(text).get('name') == 'ä'
