"""A client that others wrote and published, in an environment of its own: it is no dependency of ours."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGE, VERSION = "feishu-bot-sdk", "0.13.0"
_SECONDS = 300


def install(folder: Path) -> Path | None:
    """Make its environment, with the httpx that the others use.

    Args:
        folder: Where; it need not exist.

    Returns:
        The environment's Python; None, with a line on the standard error, if it could not be made.
    """
    uv, python = Path(sys.executable).with_name("uv"), folder / "bin" / "python"
    wanted = [f"{PACKAGE}=={VERSION}", f"httpx=={version('httpx')}"]
    commands: tuple[list[str | Path], ...] = (
        [uv, "venv", "--quiet", "--python", sys.executable, folder],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *wanted],
    )
    try:
        for command in commands:
            subprocess.run(command, check=True, timeout=_SECONDS)  # noqa: S603 - ours
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{PACKAGE} could not be installed, so its column stays empty: {error}\n")
        return None
    return python
