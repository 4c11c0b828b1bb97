"""Files that say of themselves what is not so."""

from __future__ import annotations

import zlib


def claiming(png: bytes, width: int, height: int) -> bytes:
    """The PNG with a header that states another size, with a correct checksum."""
    header = b'IHDR' + width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, 'big') + png[33:]
