from __future__ import annotations

import pytest

from test.soak.graph import SoakGraph


@pytest.mark.parametrize(
    ('memory', 'growth'),
    [
        ([80, 100, 100, 101, 101, 101], 1),  # needed once, and then no more
        ([80, 90, 100, 110, 120, 130, 140, 150], 20),
        ([80, 100, 100, 100, 101, 101, 121], 1),  # for a moment
        ([120, 80, 80, 80], 0),
        ([80, 100, 130], 0),  # over too short a time to tell
        ([80], 0),
        ([], 0),
    ],
)
def test_growth_is_that_of_a_later_life(memory, growth, tmp_path):
    graph = SoakGraph(tmp_path / 'soak', {}, 0)
    ages = [150.0 + 50 * index for index in range(len(memory))]
    graph.memory['simulator'] = [(7, age, float(own)) for age, own in zip(ages, memory, strict=True)]
    graph.memory['simulator'].insert(0, (7, 10.0, 20.0))  # it had not settled yet
    assert graph.growth()['simulator'] == growth
