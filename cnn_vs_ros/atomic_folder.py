"""Replacing a folder so that whoever reads it finds the old one or the new one, and never none."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

_AT_FDCWD, _EXCHANGE = -100, 2


def replace_folder(new: Path, folder: Path) -> None:
    """Put `new`, beside it, in the place of `folder`, which need not exist; the old one is deleted.

    Where the file system cannot exchange two folders in one step, the old one is moved away first.
    """
    if not folder.exists():
        new.rename(folder)
        return
    if _exchanged(new, folder):
        retired = new
    else:
        retired = new.with_name(f'{new.name}-old')
        folder.rename(retired)
        new.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two paths by Linux's renameat2; say whether it could."""
    call = getattr(ctypes.CDLL(None, use_errno=True), 'renameat2', None)
    if call is None:
        return False
    return int(call(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), ctypes.c_uint(_EXCHANGE))) == 0
