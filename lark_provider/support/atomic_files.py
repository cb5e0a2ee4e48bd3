"""Write a file entirely or not at all: it takes its name when it is complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lark_provider.support.text import shorten_name


@contextmanager
def replace_when_complete(target: Path, mode: int | None = None) -> Iterator[Path]:
    """Create an empty file beside the target; it takes the target's name if the block raises no error.

    Args:
        target: The file to create or to replace.
        mode: The permissions of the complete file; None for those of any new file, by the umask.

    Yields:
        The path of the file to write, which is closed again at the end of the block.

    Raises:
        OSError: The file cannot be created or renamed.
    """
    # Not a file of `tempfile`: only its owner could read that, whatever the umask.
    unfinished = target.with_name(f".{shorten_name(target.name)}.{secrets.token_hex(8)}")
    # Where the permissions are known, no other user may read the rows before they are set.
    initial_mode = 0o666 if mode is None else 0o600
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, initial_mode))
    try:
        yield unfinished
        if mode is not None:
            unfinished.chmod(mode)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
