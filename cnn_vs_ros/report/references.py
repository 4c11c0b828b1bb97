"""The references of a library as one web page that needs no other file."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path

import cv2

from cnn_vs_ros.environment import user_path
from cnn_vs_ros.estimation.reference_library import ReferenceEntry

_WIDTH = 320
"""Pixels of a thumbnail's longer side."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 2em; }
main { display: flex; flex-wrap: wrap; gap: 1.5em; }
figure { margin: 0; width: 320px; } img { max-width: 100%; border: 1px solid #ddd; } .bad { color: #b00020; }
figcaption span { color: #666; display: block; overflow-wrap: anywhere; }
"""


def write_references_page(entries: Sequence[ReferenceEntry], folder: Path, page: str | os.PathLike[str]) -> Path:
    """Write a page with a thumbnail of each of `entries`, which are those of `folder`, and return its path."""
    title = f'References in {html.escape(str(folder))}'
    figures = ''.join(_figure(entry) for entry in entries) or '<p>none</p>'
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<style>{_STYLE}</style></head><body><h1>{title}</h1><main>{figures}</main></body></html>\n'
    )
    page = user_path(page)
    page.write_text(text, encoding='utf-8')
    return page


def _figure(entry: ReferenceEntry) -> str:
    name, sentence = html.escape(entry.name), html.escape(entry.sentence)
    if entry.reference is None:
        return f'<figure><figcaption><b>{name}</b><span class="bad">{sentence}</span></figcaption></figure>'
    image = entry.reference.image
    scale = min(1.0, _WIDTH / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = base64.b64encode(cv2.imencode('.jpg', small)[1].tobytes()).decode()
    when = '' if entry.captured is None else f'{entry.captured:%Y-%m-%d %H:%M}'
    return (
        f'<figure><img alt="{name}" src="data:image/jpeg;base64,{data}">'
        f'<figcaption><b>{name}</b><span>{sentence}</span><span>{when}</span></figcaption></figure>'
    )
