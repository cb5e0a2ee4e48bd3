"""The lowest versions of dependencies: `python scripts/floors.py list|check EXTRA,EXTRA`.

`list` prints a requirement for each direct dependency of both distributions, at its floor. `check` compares
them with what is installed for the interpreter that runs this.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECTS = (ROOT, ROOT / "packages" / "lark-emulator")


def normalise_name(name: str) -> str:
    """Return a package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_floors(extras: Iterable[str]) -> dict[str, str]:
    """Return the lowest version of each direct dependency that satisfies every requirement.

    Args:
        extras: The extras whose dependencies count as well, of either distribution.

    Returns:
        Versions by the package's name as pip compares it.

    Raises:
        ValueError: A requirement has no floor.
    """
    wanted: list[str] = []
    for folder in PROJECTS:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        wanted += project["dependencies"]
        for extra in extras:
            wanted += project.get("optional-dependencies", {}).get(extra, [])
    floors: dict[str, tuple[int, ...]] = {}
    for requirement in wanted:
        if requirement.startswith("lark-emulator"):
            continue  # It is built from this checkout.
        parts = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([0-9.]+)(?:;.*)?", requirement)
        if parts is None:
            raise ValueError(f"{requirement} has no floor. Next: write NAME>=VERSION in pyproject.toml.")
        name, floor = normalise_name(parts[1]), tuple(map(int, parts[2].split(".")))
        floors[name] = max(floor, floors.get(name, floor))
    return {name: ".".join(map(str, floor)) for name, floor in floors.items()}


def list_differences(floors: Mapping[str, str]) -> list[str]:
    """Return a line for each package of this interpreter that is not installed in its lowest version."""
    lines = []
    for name, floor in sorted(floors.items()):
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "not installed"
        if re.sub(r"(\.0)+$", "", installed) != re.sub(r"(\.0)+$", "", floor):
            lines.append(f"{name}: {installed}, and not {floor}")
    return lines


def main(arguments: list[str]) -> None:
    """Print the floors, or compare them with what is installed."""
    if len(arguments) != 2 or arguments[0] not in {"list", "check"}:  # noqa: PLR2004 - two words
        raise SystemExit("usage: floors.py list|check EXTRA,EXTRA")
    floors = read_floors(arguments[1].split(","))
    if arguments[0] == "list":
        print("\n".join(f"{name}=={floor}" for name, floor in floors.items()))
    elif differences := list_differences(floors):
        raise SystemExit("floors.py: not the lowest versions:\n" + "\n".join(differences))
    else:
        print(f"{len(floors)} dependencies are installed in their lowest versions.")


if __name__ == "__main__":
    main(sys.argv[1:])
