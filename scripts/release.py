"""Check that a tag can be released, or print its notes: `python scripts/release.py check|notes v1.0.0`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("lark_provider/__init__.py", "packages/lark-emulator/src/lark_emulator/__init__.py")


def read_version(file: str) -> str:
    """Return the version that a package names."""
    match = re.search(r'^__version__ = "([^"]+)"', (ROOT / file).read_text("utf-8"), re.MULTILINE)
    if match is None:
        raise SystemExit(f"{file} names no version. Next: write __version__ there.")
    return match[1]


def notes(version: str) -> str:
    """Return the section of the changelog for a version, which has to be the first one with a text."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    sections = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    heading, text = next((section for section in sections if section[1].strip()), ("", ""))
    if not re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}", heading):
        raise SystemExit(
            f"CHANGELOG.md begins with the section {heading!r}, and not with {version} and a date. Next: "
            f"write '## {version} - YYYY-MM-DD' above what is released."
        )
    return text.strip()


def main(arguments: list[str]) -> None:
    """Check that a tag can be released, or print its notes."""
    if len(arguments) != 2 or arguments[0] not in {"check", "notes"} or not arguments[1].startswith("v"):  # noqa: PLR2004 - two words
        raise SystemExit("usage: release.py check|notes vVERSION")
    action, version = arguments[0], arguments[1].removeprefix("v")
    for file in VERSIONS:
        if read_version(file) != version:
            raise SystemExit(
                f"{file} names version {read_version(file)}, and the tag {version}. Next: make them agree."
            )
    text = notes(version)
    print(text if action == "notes" else f"{version} can be released.")


if __name__ == "__main__":
    main(sys.argv[1:])
