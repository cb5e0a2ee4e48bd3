"""What the command starts with: settings, a seed, stubs, and what it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.control import stubbing
from lark_emulator.settings import Settings
from lark_emulator.world.apps import DEFAULT_APP_ID
from lark_emulator.world.world import DEFAULT_APP_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lark_emulator.lark import Lark
    from lark_emulator.reach.door import Door


def parse_settings(texts: Iterable[str], *, fallback_answers: bool) -> dict[str, Any]:
    """Return settings by name.

    Args:
        texts: `NAME=VALUE`, where the value is JSON, or a word.
        fallback_answers: Whether that one is turned on.

    Raises:
        ValueError: an unknown setting or a wrong value.
    """
    changes: dict[str, Any] = {"fallback_answers": True} if fallback_answers else {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set {text!r} has no value. Next: write NAME=VALUE")
        try:
            changes[name.strip()] = json.loads(value)
        except ValueError:
            changes[name.strip()] = value
    Settings().change(changes)
    return changes


def make_preparation(seed: Path | None, stubs: Path | None) -> Callable[[Lark], None]:
    """Return what puts a seed and stubs into an emulator; the files are read and checked now.

    Raises:
        OSError: a file cannot be read.
        ValueError: its content is wrong; the text names file, line and member.
    """
    from lark_emulator.lark import Lark

    plans = None if stubs is None else _read_stubs(stubs)
    planted = None
    if seed is not None:
        from lark_emulator.control.seed_file import Seed

        planted = Seed.read(seed)

    def prepare(lark: Lark) -> None:
        if planted is not None:
            planted.sow(lark)
        if plans is not None:
            stubbing.add(lark, plans)

    trial = Lark()
    prepare(trial)  # a mistake is found before anything listens
    return prepare


def _read_stubs(file: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{file} is not JSON: {error}. Next: correct it, or record it again") from None
    plans = content.get("stubs") if isinstance(content, dict) else content
    if not isinstance(plans, list):
        raise ValueError(  # noqa: TRY004 - a file
            f"{file} has no list 'stubs'. Next: write "
            '{"stubs": [{"match": {"path": "/open-apis/…"}, "answer": {"json": {}}}]}'
        )
    return {"stubs": plans}


def format_greeting(base_url: str, door: Door | None) -> str:
    """Return what the command prints once it listens."""
    lines = [
        f"Lark emulator at {base_url}   (open it in a browser: chats, cards, tables; stop: Ctrl-C)",
        f"LARK_BASE_URL={base_url} LARK_APP_ID={DEFAULT_APP_ID} LARK_APP_SECRET={DEFAULT_APP_SECRET}",
    ]
    if door is not None:
        lines += ["Clients must trust its authority:", f"  {door.open().format_trust_line()}"]
        if door.proxy:
            lines += [
                "Programs that speak to Lark's own addresses reach it as their proxy:",
                f"  export HTTPS_PROXY={base_url} NO_PROXY=localhost,127.0.0.1",
            ]
    return "\n".join(lines)
