"""The stamps of a stream of images: which image is older than one that was used, and when a clock was set."""

from __future__ import annotations

JUMP = 0.5
"""Seconds by which stamps may go otherwise than the time: more is a clock that was set, less a late image."""


class ImageStamps:
    """Looks at each stamp once, in the order of arrival; `dropped` and `jumps` count what was found."""

    def __init__(self) -> None:
        self.dropped = self.jumps = 0
        self._last: tuple[float, float] | None = None

    def reset(self) -> None:
        """Forget the image before: what comes next begins a stream."""
        self._last = None

    def take(self, stamp: float, now: float) -> tuple[bool, str]:
        """Whether an image that has come at `now` is to be used, and a sentence where its stamp is amiss.

        Both in seconds, of the clock that stamps are meant to be of. An image that is older than the one before is
        not to be used, unless by so much that the camera's clock was set back.
        """
        before, self._last = self._last, (stamp, now)
        if before is None:
            return True, ''
        advance, elapsed = stamp - before[0], now - before[1]
        if -JUMP <= advance < 0:
            self.dropped += 1
            self._last = before
            return False, f'image dropped: it is {-1e3 * advance:.0f} ms older than one that came before it'
        if advance < 0 or advance - elapsed > JUMP:
            self.jumps += 1
            jump = f'{"back" if advance < 0 else "ahead"} by {abs(advance - elapsed):.1f} s'
            return True, (
                f'stamps of images should advance with the time but jumped {jump}: '
                'was a clock set, or are there two cameras?'
            )
        return True, ''
