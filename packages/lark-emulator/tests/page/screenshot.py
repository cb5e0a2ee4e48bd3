"""Draw the picture of README: `python -m tests.page.screenshot docs/images/local-lark.png`.

In the repository, with `packages/lark-emulator` on `PYTHONPATH`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lark_emulator import Emulator
from tests.emulator.conftest import Api
from tests.page.browser import Browser, find_chromium
from tests.page.gallery import lark_md, make_options, plain

WIDTH, HEIGHT = 1100, 800


def _make_column(content: str) -> dict[str, Any]:
    inner = {"tag": "markdown", "content": content}
    return {
        "tag": "column",
        "width": "weighted",
        "weight": 1,
        "background_style": "grey-50",
        "padding": "8px",
        "elements": [inner],
    }


def _button(name: str, label: str, kind: str) -> dict[str, Any]:
    button = {"tag": "button", "name": name, "text": plain(label), "type": kind, "form_action_type": "submit"}
    return {"tag": "column", "elements": [button]}


CARD: dict[str, Any] = {
    "schema": "2.0",
    "header": {
        "title": plain("Deploy 2.1 to production?"),
        "subtitle": plain("approve_deploy · manual__2026-01-31"),
        "template": "blue",
        "text_tag_list": [{"tag": "text_tag", "text": plain("waiting"), "color": "orange"}],
    },
    "body": {
        "elements": [
            {
                "tag": "markdown",
                "content": "**842 rows** loaded, all checks passed. <at id=all></at> please decide:",
            },
            {
                "tag": "column_set",
                "columns": [
                    _make_column("**Rows**\n842"),
                    _make_column("**Failed**\n<font color=green>0</font>"),
                ],
            },
            {
                "tag": "form",
                "name": "decision",
                "elements": [
                    {
                        "tag": "input",
                        "name": "note",
                        "label": plain("Note"),
                        "placeholder": plain("why"),
                        "width": "fill",
                    },
                    {
                        "tag": "select_static",
                        "name": "where",
                        "placeholder": plain("Region"),
                        "options": make_options("Shanghai", "Singapore"),
                    },
                    {
                        "tag": "column_set",
                        "columns": [
                            _button("yes", "Approve", "primary_filled"),
                            _button("no", "Reject", "danger"),
                        ],
                    },
                ],
            },
        ]
    },
}
DONE: dict[str, Any] = {
    "header": {"title": plain("Load finished"), "template": "green"},
    "elements": [
        {"tag": "div", "text": lark_md("**etl_to_lark** wrote 842 flights in 1.9 s")},
        {"tag": "note", "elements": [plain("try 1 of 3 · worker-2")]},
    ],
}


def draw(target: Path) -> None:
    """Draw the picture."""
    chromium = find_chromium()
    assert chromium, "Chromium must be on PATH"
    with tempfile.TemporaryDirectory() as profile, Emulator() as lark:
        browser, api = Browser(Path(profile), chromium), Api(lark)
        try:
            api.send(text='Good morning <at user_id="alice">Alice</at>, the load starts now.')
            for card in (DONE, CARD):
                body = {
                    "receive_id": "oc_emulator_data_team",
                    "msg_type": "interactive",
                    "content": json.dumps(card),
                }
                api.data("POST", "/im/v1/messages", body, receive_id_type="chat_id")
            browser.resize(WIDTH, HEIGHT)
            browser.open(lark.base_url)
            browser.wait("document.querySelectorAll('.card').length === 2")
            browser.ask("document.fonts.ready.then(() => new Promise(done => setTimeout(done, 300)))")
            target.parent.mkdir(parents=True, exist_ok=True)
            browser.picture(target)
        finally:
            browser.close()
            api.http.close()


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
