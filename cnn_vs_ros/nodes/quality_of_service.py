"""Qualities of service that users may override, and what is said where those of two nodes do not fit."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

_UNHEARD = {'RELIABILITY': ('best effort', 'reliable'), 'DURABILITY': ('volatile', 'transient local')}
"""By policy, what a publisher offers and what a subscription asks for where they do not fit."""


def overridable(qos: QoSProfile) -> dict[str, Any]:
    """Arguments of a publisher or subscription of this quality whose parameters ``qos_overrides`` are heeded.

    rclpy writes them into the profile that it is given, so this has one of its own.
    """
    kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
    return {'qos_profile': copy(qos), 'qos_overriding_options': QoSOverridingOptions(kinds)}


def subscribe(
    node: Node, kind: type, topic: str, callback: Callable[..., None], qos: QoSProfile | int
) -> Subscription:
    """Subscribe, and warn of publishers that cannot be heard, with both qualities."""
    name = node.resolve_topic_name(topic)

    def warn(event: QoSRequestedIncompatibleQoSInfo) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        offered, asked = _UNHEARD.get(policy, (f'another {policy}', f'its {policy}'))
        node.get_logger().warning(
            f'{name} should be published {asked}, as {node.get_name()} subscribes to it, but somebody publishes '
            f'it {offered}: none of that is heard'
        )

    events = SubscriptionEventCallbacks(incompatible_qos=warn)
    return node.create_subscription(kind, topic, callback, qos, event_callbacks=events)
