"""Whatever is passed to a method of the client: an error of ours, and none of Python's own from within."""

from __future__ import annotations

import datetime as dt
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
from lark_provider.api.clouddoc.sheets.styles import Style
from lark_provider.api.clouddoc.sync.plan import SyncPlan
from lark_provider.errors import InvalidRequestError, LarkError
from tests.client.conftest import CHAT

BAD: list[Any] = [
    5, -1, 2.5, 10**30, float("nan"), True, None, "", "nonsense", "\ud800", b"x", object(),
    [], [1], ["a"], [None], [[]], {}, {"a": 1}, {1: 2},
]  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
CARD = {"schema": "2.0", "body": {"elements": []}}
ALICE = "ou_emulator0001_alice"
REFUSED = {
    "client.approval.remove_comment", "client.calendar.happening", "client.clouddoc.sheets.delete_sheet",
    "client.messaging.download", "client.messaging.send_card_template",
}  # fmt: skip
"""Methods that Lark refuses with these arguments, since something must have happened before."""


def walk(part: object, path: str = "client") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield each method of the client and of its namespaces, with its path."""
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
def good(client: LarkServiceClient, lark: Emulator, tmp_path: Path) -> Callable[[str, str], Any]:
    """Return a function that makes a valid argument, given a method's path and an argument's name."""
    report, chart = tmp_path / "report.csv", tmp_path / "chart.png"
    report.write_text("content")
    chart.write_bytes(PNG)
    bitable, sheets, messaging = client.clouddoc.bitable, client.clouddoc.sheets, client.messaging
    reason = {"id": "w1", "custom_id": "reason", "type": "input", "name": "Reason"}
    code = lark.add_approval("Deploy", form=[reason], nodes=[{"approvers": ["bob"]}])
    base = bitable.create_app("Base").data["app"]["url"]
    table_id = bitable.create_table(base, "T", [{"field_name": "No", "type": fields.TEXT}]).data["table_id"]
    table = f"{base}?table={table_id}"

    def record_id() -> str:
        created: str = bitable.create_record(table, None, {"No": "a"}).data["record"]["record_id"]
        return created

    def instance() -> str:
        return client.approval.create_instance(code, {}, submitter="alice").code

    def message_id(path: str) -> str:
        if path.endswith("update_card"):
            return messaging.send_card(CHAT, CARD).data["message_id"]
        if path.endswith("download"):
            return messaging.send_file(CHAT, report).data["message_id"]
        return messaging.send(CHAT, "hi").data["message_id"]

    makers: dict[str, Callable[[str], Any]] = {
        "app_token": lambda _: table,
        "token": lambda _: sheets.create("Sheet").url,
        "target": lambda path: tmp_path / "saved" if "messaging" in path else sheets.create("Sheet").url,
        "message_id": message_id,
        "record_id": lambda _: record_id(),
        "record_ids": lambda _: [record_id()],
        "records": lambda path: [(record_id(), {"No": "b"})] if "update" in path else [{"No": "b"}],
        "instance": lambda _: instance(),
        "content": lambda path: CARD if path.endswith("send_card") else "hi",
        "sheet": lambda path: 0 if "copy_sheet" in path or "rename_sheet" in path else None,
    }
    values = {
        "table_id": None, "receiver_id": CHAT, "container_id": CHAT, "people": [ALICE], "user_id": ALICE,
        "ids": [ALICE], "who": ALICE, "author": ALICE, "reader": ALICE, "submitter": ALICE, "card": CARD,
        "fields": {"No": "c"}, "name": "Name", "key_fields": ["No"], "rows": [{"a": 1}], "range": "A1:B2",
        "values": [["x"]], "first": 1, "before": 1, "style": Style(bold=True), "heights": {1: 30},
        "widths": {"A": 100}, "title": "Title", "share_with": [Share(ALICE, "view")], "file": report,
        "image": chart, "formats": [], "emails": ["alice@example.com"], "mobiles": ["+8613800000000"],
        "listing": list_fields(table, None), "operation": bot.info(), "method": "GET", "path": "/im/v1/chats",
        "field_name": "F", "type": 1, "email_or_mobile": "alice@example.com", "folder_path": "Reports/2026",
        "approval_code": code, "form": {}, "at": dt.datetime.now(dt.UTC), "timezone": "UTC",
        "start": dt.datetime.now(dt.UTC) - dt.timedelta(hours=1),
    }  # fmt: skip
    return lambda path, name: makers[name](path) if name in makers else values.get(name, "x")


def call(method: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Call a method, exhaust the listing that it returns, and close what has to be closed."""
    result = method(**arguments)
    if inspect.isgenerator(result) or hasattr(result, "__next__"):
        list(result)
    elif isinstance(result, SyncPlan):
        result.close()  # a file


@pytest.mark.parametrize("path", PATHS)
def test_each_argument(client: LarkServiceClient, good: Callable[[str, str], Any], path: str) -> None:
    method, raw = dict(walk(client))[path], list[str]()
    parameters = [
        parameter
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}
    ]
    required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    if path not in REFUSED:
        call(method, {name: good(path, name) for name in required})
    for parameter in parameters:
        arguments = {name: good(path, name) for name in required if name != parameter.name}
        for value in BAD:
            try:
                call(method, {**arguments, parameter.name: value})
            except InvalidRequestError as error:
                if "Next: " not in str(error):
                    raw.append(f"{parameter.name}={value!r}: {error}")
            except LarkError:
                pass
            except Exception as error:  # noqa: BLE001 - all are reported at the end
                raw.append(f"{parameter.name}={value!r}: {type(error).__name__}: {error}")
    assert "\n".join(raw).encode("ascii", "backslashreplace").decode() == ""


def test_all_methods_are_walked() -> None:
    assert len(PATHS) > 90
    assert set(PATHS) >= REFUSED
