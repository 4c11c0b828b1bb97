"""What the nodes are given beyond the parameter files, by the arguments and by how far the scene is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from cnn_vs_ros.benchmark import DEPTH
from cnn_vs_ros.graph.table import ARGUMENTS, NODES
from cnn_vs_ros.resources import config_path
from cnn_vs_ros.simulation.scenes import find_scene

Parameters = dict[str, dict[str, Any]]
"""Values of parameters by node."""

LENGTHS = {
    'pose_estimator': ('depth',),
    'pbvs_controller': (
        'gain.length',
        'convergence.translation',
        'convergence.linear_velocity',
        'jump.translation',
        'retreat.distance',
    ),
}
"""Parameters of config/servo.yaml that hold at DEPTH from the scene and grow with the distance."""


def launch_facts(given: Mapping[str, str]) -> dict[str, bool]:
    """Return what the arguments of servo.launch.py come to: the switches among them, and facts of the robot."""
    robot, by_moveit = given['robot'], given['arm_interface'] == 'moveit_servo'
    simulated = robot == 'simulated'
    automatic = {
        'experiment': simulated and not by_moveit,
        'use_sim_time': (simulated and not by_moveit) or robot == 'gazebo',
        'moveit_servo_node': robot != 'external',
        'simulated_camera': robot == 'mock',
    }
    facts = {name: given[name] == 'true' for name, argument in ARGUMENTS.items() if 'true' in argument.choices}
    facts |= {name: value for name, value in automatic.items() if given[name] == 'auto'}
    facts['calibrate'] |= facts['measure_depth']
    robots = {'simulated': simulated, 'differential_ik': not by_moveit, 'moveit_servo': by_moveit}
    return {'always': True, **robots, **facts}


def launch_parameters(given: Mapping[str, str]) -> Parameters:
    """Return the nodes that servo.launch.py starts, with what its arguments change in the parameter files.

    Raises SimulationError for a scene that there is not.
    """
    facts = launch_facts(given)
    names = [name for name, row in NODES.items() if facts.get(row.launched, False)]
    shipped_files = given['robot'] != 'external' and not given['params_file']
    scaled = scaled_parameters(given['scene']) if shipped_files else {}
    result = parameters_of(names, given, scaled, sim_time=facts['use_sim_time'])
    if 'simulator' in result:
        result['simulator'] |= {
            'lockstep': facts['use_sim_time'],
            'publish_robot_description': not facts['rviz'],  # robot_state_publisher does then
        }
    if 'experiment' in result:
        result['experiment']['simulated'] = facts['simulated']
    return result


def parameters_of(
    names: Iterable[str], given: Mapping[str, Any], scaled: Parameters, *, sim_time: bool
) -> Parameters:
    """Return the parameters of nodes: those of the arguments `given`, over those `scaled`.

    An argument that is None or empty leaves what there was. The simulator makes the clock, and so is given none.
    """
    result: Parameters = {
        name: {**({} if name == 'simulator' else {'use_sim_time': sim_time}), **scaled.get(name, {})}
        for name in names
    }
    for name, argument in ARGUMENTS.items():
        if (value := given.get(name)) not in (None, ''):
            for node in set(argument.nodes) & set(result):
                result[node][argument.parameter or name] = argument.kind(value)
    return result


def scaled_parameters(scene: str | None) -> Parameters:
    """Return the parameters of estimator and controller that a scene of the simulator needs, by node.

    Empty or None is the scene that the parameter file names. Raises SimulationError for one that there is not.
    """
    depth = find_scene(scene).depth if scene else DEPTH
    if depth == DEPTH:
        return {}
    shipped = yaml.safe_load(config_path('servo.yaml').read_text())
    result: Parameters = {}
    for node, names in LENGTHS.items():
        parameters = shipped[f'/**/{node}']['ros__parameters']
        result[node] = {name: _value(parameters, name) * depth / DEPTH for name in names}
    return result


def _value(parameters: dict[str, Any], name: str) -> float:
    for part in name.split('.')[:-1]:
        parameters = parameters[part]
    return float(parameters[name.rpartition('.')[2]])
