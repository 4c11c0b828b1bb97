"""Licence of an image inside an unpacked Debian package, read from its machine-readable copyright file."""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass
from pathlib import Path

UNSTATED = 'unstated'

_ACCEPTED = re.compile(
    r'^(cc0|public-domain|cc-by|lgpl|expat|mit|bsd|apache|zlib|isc|ofl|sil|free-art|fal)', re.IGNORECASE
)


def is_accepted(licence: str) -> bool:
    """Return whether `licence` is public domain, CC-BY(-SA), LGPL or permissive (GPL alone is not).

    Of alternatives ('A or B') one must be accepted, of joint terms ('A and B') all must be;
    the non-commercial and no-derivatives variants of Creative Commons are refused.
    """
    return any(
        all(
            _ACCEPTED.match(term.strip()) and not re.search(r'\b(nc|nd)\b', term, re.IGNORECASE)
            for term in re.split(r'\band\b', choice, flags=re.IGNORECASE)
        )
        for choice in re.split(r'\bor\b', licence, flags=re.IGNORECASE)
    )


@dataclass(frozen=True)
class CopyrightFile:
    """Paragraphs of a debian/copyright file (format 1.0): (patterns, licence), in their order."""

    paragraphs: tuple[tuple[tuple[str, ...], str], ...]

    @classmethod
    def parse(cls, text: str) -> CopyrightFile:
        """Read the `Files`/`License` pairs of a machine-readable copyright file."""
        paragraphs = []
        for paragraph in re.split(r'\n\s*\n', text):
            files = re.search(r'^Files:(.*(?:\n[ \t].*)*)', paragraph, re.MULTILINE)
            licence = re.search(r'^License:[ \t]*(.+)$', paragraph, re.MULTILINE)
            if files and licence:
                paragraphs.append((tuple(_patterns(files.group(1))), licence.group(1).strip()))
        return cls(tuple(paragraphs))

    def licence_of(self, path: str) -> str:
        """Return the licence of `path`; as the format says, the last paragraph that matches holds.

        Packages install files below other folders than the source has them in, so a pattern may match
        any tail of `path` that starts at a folder, or else, if it names a file, the bare file name.
        """
        name = path.rsplit('/', 1)[-1]
        found = bare = UNSTATED
        for patterns, licence in self.paragraphs:
            for pattern in patterns:
                if fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f'*/{pattern}'):
                    found = licence
                elif '.' in pattern.rsplit('/', 1)[-1] and fnmatch.fnmatch(name, pattern.rsplit('/', 1)[-1]):
                    bare = licence
        return bare if found == UNSTATED else found


def _patterns(block: str) -> list[str]:
    """Split a `Files` field at line ends and, where no pattern holds a blank, within lines."""
    return [pattern for line in block.splitlines() for pattern in line.split()]


class LicenceFinder:
    """Licence of the images below one source folder.

    A Debian package (unpacked with `dpkg -x`) states it in usr/share/doc/<package>/copyright; a KDE wallpaper
    states its own in a metadata file, which goes before the package's. Any other folder is `unstated`: the
    user's own images, for whose use the user answers.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        files = sorted(source.glob('usr/share/doc/*/copyright'))
        self._copyright = CopyrightFile.parse(files[0].read_text(errors='replace')) if files else None
        self._own: dict[Path, str | None] = {}

    @property
    def is_package(self) -> bool:
        """Whether the source is an unpacked package whose images need an accepted licence."""
        return self._copyright is not None

    def licence_of(self, image: Path) -> str:
        """Return the licence of `image`, a path below the source."""
        for folder in image.parents:
            if folder == self._source:
                break
            if folder not in self._own:
                self._own[folder] = _metadata_licence(folder)
            if (own := self._own[folder]) is not None:
                return own
        if self._copyright is None:
            return UNSTATED
        return self._copyright.licence_of(image.relative_to(self._source).as_posix())


def _metadata_licence(folder: Path) -> str | None:
    """Return the licence that a wallpaper's metadata.json or metadata.desktop in `folder` states, if any."""
    try:
        return str(json.loads((folder / 'metadata.json').read_text())['KPlugin']['License'])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        text = (folder / 'metadata.desktop').read_text(errors='replace')
    except OSError:
        return None
    match = re.search(r'^X-KDE-PluginInfo-License=(.+)$', text, re.MULTILINE)
    return match.group(1).strip() if match else None
