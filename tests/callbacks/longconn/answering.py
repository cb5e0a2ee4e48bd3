"""A handler, which does what the click says."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from lark_provider.callbacks import CardClick, card_update, toast

TOGETHER = 4
CARD = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "已批准"}]}}
_barrier = threading.Barrier(TOGETHER)


def answer(click: CardClick) -> bytes | None:
    """Answer a click."""
    what = click.action.value
    match what.get("do"):
        case "card":
            return toast("info", "Here it is.", card=CARD)
        case "update":
            return card_update(CARD)
        case "fail":
            raise RuntimeError("on purpose")
        case "meet":  # returns only if so many are answered at the same time
            _barrier.wait()
            return toast("info", "We met.")
        case "hold":
            _exists(Path(what["until"]))
            return toast("info", "Held.")
    return None


def _exists(path: Path) -> None:
    path.with_suffix(".held").touch()
    while not path.exists():
        time.sleep(0.01)
