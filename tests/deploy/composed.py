"""deploy/compose/compose.yml as Docker Compose reads it: merged, with the variables of .env in place."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "compose"
FILE = FOLDER / "compose.yml"
IMAGE = "airflow-provider-lark:local"
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:[?-])([^}]*))?\})")


class UnsetError(Exception):
    """A variable that has no default is not set."""


def secrets(folder: Path) -> dict[str, str]:
    """Let secrets.sh write a .env into a folder, and return what it sets."""
    for name in ("secrets.sh", ".env.example"):
        shutil.copy(FOLDER / name, folder)
    subprocess.run(["sh", folder / "secrets.sh"], check=True, capture_output=True)  # noqa: S603, S607 - ours
    return settings(folder / ".env")


def settings(file: Path) -> dict[str, str]:
    """Return what a file of variables sets."""
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def services(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the services, by name.

    Raises:
        UnsetError: A variable without a default is not set, or empty.
    """
    by_name: dict[str, dict[str, Any]] = fill(yaml.safe_load(FILE.read_text()), environ)["services"]
    return by_name


def fill(value: Any, environ: Mapping[str, str]) -> Any:
    """Return a value with variables in their places, in all of its strings."""
    if isinstance(value, dict):
        return {key: fill(nested, environ) for key, nested in value.items()}
    if isinstance(value, list):
        return [fill(nested, environ) for nested in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        if name is None:
            return "$"
        if environ.get(name) or operator is None:
            return environ.get(name, "")
        if operator == ":?":
            raise UnsetError(f"{name}: {rest}")
        return str(rest)

    return _VARIABLE.sub(variable, value)
