"""A task as a behaviour tree, by the commander: behaviour_tree.py REFERENCE [NAMESPACE], beside a running graph.

Leaves say whether they succeeded. A library of trees would wrap the same calls: each blocks until it is done.
"""

import sys
from collections.abc import Callable

from cnn_vs_ros.commander import ServoCommander
from cnn_vs_ros.errors import CommanderError

Node = Callable[[ServoCommander], bool]


def sequence(*nodes: Node) -> Node:
    """Succeed where all do, in this order."""
    return lambda arm: all(node(arm) for node in nodes)


def fallback(*nodes: Node) -> Node:
    """Succeed where one does, and try no further."""
    return lambda arm: any(node(arm) for node in nodes)


def leaf(name: str, action: Callable[[ServoCommander], object]) -> Node:
    """Do something; an error of the graph, or False, is a failure."""

    def tick(arm: ServoCommander) -> bool:
        try:
            succeeded, why = action(arm) is not False, ''
        except CommanderError as error:
            succeeded, why = False, f': {error}'
        print(f'{"done" if succeeded else "failed":6}  {name}{why}', flush=True)
        return succeeded

    return tick


def behaviour(word: str) -> Node:
    """What the arm does where the reference is out of sight."""
    return leaf(f'when lost, {word}', lambda arm: arm.set('pbvs_controller', 'lost_behaviour', word))


reference = sys.argv[1]
part_is_known = leaf(f'use {reference}', lambda arm: arm.use(reference))
part_is_seen = leaf('see the part', lambda arm: arm.offset())
servo = leaf('servo', lambda arm: arm.servo(timeout=60.0).arrived)
search = sequence(behaviour('search'), servo)
tree = sequence(part_is_known, fallback(sequence(part_is_seen, servo), search))

with ServoCommander(sys.argv[2] if len(sys.argv) > 2 else '') as commander:
    try:
        succeeded = tree(commander)
    finally:  # however it went, the next one is not to search unasked
        behaviour('stop')(commander)
    sys.exit(0 if succeeded else 1)
