"""Whatever is passed to a method of the client: an error of ours, and none of Python's own from within."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api import bot
from lark_provider.api.clouddoc import fields
from lark_provider.api.clouddoc.bitable import list_fields
from lark_provider.api.clouddoc.drive.sharing import Share
from lark_provider.errors import LarkError
from tests.client.conftest import CHAT

BAD: list[Any] = [
    5, -1, 2.5, 10**30, float("nan"), True, None, "", "nonsense", "\ud800", b"x", object(),
    [], [1], ["a"], [None], [[]], {}, {"a": 1}, {1: 2},
]  # fmt: skip
PERSON = "ou_emulator_alice"


def walk(part: object, path: str = "client") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each method of the client and of its parts, with its path."""
    for name in dir(part):
        if name.startswith("_") or name in {"runner", "close"}:
            continue
        member = getattr(part, name)
        if callable(member):
            yield f"{path}.{name}", member
        elif type(member).__module__.startswith("lark_provider"):
            yield from walk(member, f"{path}.{name}")


@pytest.fixture
def client(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> LarkServiceClient:
    lark.settings(rate_limits=False)
    monkeypatch.setenv("LARK_PACING", "0")
    return LarkServiceClient(max_retries=0)


PATHS = [path for path, _ in walk(LarkServiceClient("cli_1", "secret"))]


@pytest.fixture
def good(client: LarkServiceClient, tmp_path: Path) -> Callable[[str, str], Any]:
    """Makes an argument that fits, by the path of the method and the argument's name; None for others."""
    (tmp_path / "file.txt").write_text("content")
    bitable, sheets = client.clouddoc.bitable, client.clouddoc.sheets

    def make(path: str, name: str) -> Any:
        if name == "app_token":
            base = bitable.create_app("Base").data["app"]["url"]
            table = bitable.create_table(base, "T", [{"field_name": "No", "type": fields.TEXT}])
            table_id = table.data["table_id"]
            bitable.bulk_insert(base, table_id, [{"No": "a"}])
            return f"{base}?table={table_id}"
        if name in {"token", "target"} and "messaging" not in path:
            return sheets.create("Sheet").url
        if name == "message_id":
            return client.messaging.send(CHAT, "hi").data["message_id"]
        return {
            "receiver_id": CHAT, "container_id": CHAT, "content": "hi", "people": [PERSON], "user_id": PERSON,
            "ids": [PERSON], "who": PERSON, "records": [{"No": "b"}], "fields": {"No": "c"}, "name": "Name",
            "key_fields": ["No"], "record_ids": ["recnone"], "record_id": "recnone", "rows": [{"a": 1}],
            "range": "A1:B2", "values": [["x"]], "first": 1, "before": 1, "style": {"font": {"bold": True}},
            "heights": {1: 30}, "widths": {"A": 100}, "title": "Title", "text": "x", "sheet": None,
            "share_with": [Share(PERSON, "view")], "file": tmp_path / "file.txt", "image": b"x",
            "target": tmp_path / "saved", "card": {"schema": "2.0", "body": {"elements": []}},
            "emails": ["alice@example.com"], "mobiles": ["+8613800000000"], "formats": [],
            "listing": list_fields("bas1", "tbl1"), "operation": bot.info(),
            "method": "GET", "path": "/im/v1/chats", "field_name": "F", "type": 1,
            "email_or_mobile": "alice@example.com", "folder_path": "Reports/2026", "template_id": "AAqk",
        }.get(name, "x")  # fmt: skip

    return make


@pytest.mark.parametrize("path", PATHS)
def test_each_argument(client: LarkServiceClient, good: Callable[[str, str], Any], path: str) -> None:
    method = dict(walk(client))[path]
    parameters = [
        parameter
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}
    ]
    raw = []
    for parameter in parameters:
        required = {
            other.name: good(path, other.name)
            for other in parameters
            if other.default is other.empty and other is not parameter
        }
        for value in BAD:
            try:
                result = method(**required, **{parameter.name: value})
                if inspect.isgenerator(result) or hasattr(result, "__next__"):
                    list(result)
            except LarkError:
                pass
            except Exception as error:  # noqa: BLE001 - all are reported at the end
                raw.append(f"{parameter.name}={value!r}: {type(error).__name__}: {error}")
    assert "\n".join(raw).encode("ascii", "backslashreplace").decode() == ""


def test_all_methods_are_walked() -> None:
    assert len(PATHS) > 90
