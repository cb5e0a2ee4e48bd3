"""Clean environments, with the wheel of this checkout or without, made by pip as pip is configured."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts.floors import normalise_name

ROOT = Path(__file__).parents[2]
EMULATOR = ROOT / "packages" / "lark-emulator"


def run(*command: str | Path, cwd: Path = Path("/"), **env: str) -> str:
    """Run a command that has to succeed; return what it printed."""
    words, pipe = [str(part) for part in command], subprocess.PIPE
    environ = os.environ | env
    with subprocess.Popen(words, env=environ, stdout=pipe, stderr=pipe, text=True, cwd=cwd) as process:  # noqa: S603 - ours
        try:
            printed, errors = process.communicate()
        except BaseException:
            process.terminate()  # One that is killed, as by subprocess.run, leaves its servers running.
            raise
    assert process.returncode == 0, printed[-3000:] + errors[-3000:]
    return printed + errors


def build_wheel(project: Path, folder: Path) -> Path:
    """Build the wheel of a project into a folder; return it."""
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    return folder / run(sys.executable, "-c", build, folder, cwd=project).split()[-1]


def read_locked() -> dict[str, str]:
    """Return the development lock's lines without hashes, by the packages' names as pip compares them."""
    lines = re.findall(r"^([^\s=]+)(==[^\\\n]+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    pins: dict[str, str] = {}
    for name, rest in lines:  # one that depends on the Python stands there twice
        pins[normalise_name(name)] = "\n".join(
            filter(None, (pins.get(normalise_name(name)), f"{name}{rest}".strip()))
        )
    return pins


def environment(
    folder: Path,
    *requirements: str | Path,
    pins: Mapping[str, str] | None = None,
    python: str | Path = sys.executable,
) -> Path:
    """Make a clean environment; return its folder of programs.

    Args:
        folder: Where.
        requirements: What to install.
        pins: Lines of constraints by package; the development lock's if None.
        python: With which interpreter.
    """
    run(python, "-m", "venv", "--without-pip", folder)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join((read_locked() if pins is None else pins).values()))
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin" / "python",
        "install",
        "--quiet",
    ]
    run(*pip, "--no-user", "--compile", "--constraint", constraints, *requirements)
    return folder / "bin"
