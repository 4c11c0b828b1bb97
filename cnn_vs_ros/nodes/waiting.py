"""Messages that wait, taken without the executor."""

from __future__ import annotations

from typing import Any

from rclpy.subscription import Subscription


def take(subscription: Subscription) -> Any | None:
    """Return the oldest message that waits for a subscription; None if none does."""
    with subscription.handle:
        taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    return None if taken is None else taken[0]
