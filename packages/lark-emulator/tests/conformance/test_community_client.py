"""A community client of tables, unchanged but for its address, works with the emulator."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lark_emulator import Emulator


@pytest.fixture
def api(lark: Emulator) -> Iterator[Api]:
    api_client = Api(lark)
    yield api_client
    api_client.http.close()


@pytest.fixture
def client(lark: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Point the client at the emulator, with the app's credentials and its files in a temporary folder."""
    pytest.importorskip("larksync", reason="`make lock` pins it; environments made before lack it")
    auth, http, history = (import_module(f"larksync.{name}") for name in ("auth", "http", "history"))
    monkeypatch.setattr(http, "BASE", f"{lark.base_url}/open-apis")
    monkeypatch.setattr(http, "_client", None)
    monkeypatch.setattr(auth, "TOKEN_FILE", tmp_path / "token.json")
    for name, value in vars(history).items():
        if name.isupper() and hasattr(value, "joinpath"):
            monkeypatch.setattr(history, name, tmp_path / value.name)
    monkeypatch.setenv("LARKSYNC_APP_ID", lark.app_id)
    monkeypatch.setenv("LARKSYNC_APP_SECRET", lark.app_secret)
    yield
    http._client.close()


def test_it_pulls_a_table_that_was_imported_into_the_wiki(lark: Emulator, api: Api, client: None) -> None:
    """A CSV file becomes a base, the base a wiki page, and the client reads it by the page's address."""
    del client
    content = b"id,name\n1,a\n2,b\n"
    form = {"file_name": "stock.csv", "parent_type": "ccm_import_open", "size": str(len(content))}
    upload = api.http.post("/open-apis/drive/v1/medias/upload_all", data=form, files={"file": content})
    spec: Any = {
        "file_extension": "csv",
        "file_token": upload.json()["data"]["file_token"],
        "type": "bitable",
    }
    spec["point"] = {"mount_type": 1, "mount_key": ""}
    ticket = api.data("POST", "/drive/v1/import_tasks", spec)["ticket"]
    base = api.data("GET", f"/drive/v1/import_tasks/{ticket}")["result"]["token"]
    space = "/wiki/v2/spaces/7000000000000000001/nodes"
    move = {"obj_type": "bitable", "obj_token": base}
    page = api.data("POST", f"{space}/move_docs_to_wiki", move)["wiki_token"]
    table = import_module("larksync").Table(f"https://example.feishu.cn/wiki/{page}", auth="tenant")
    assert (table.title, table.columns()) == ("stock", ["id", "name"])
    assert table.pull() == [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]
    assert lark.state(summary=True)["by_code"].keys() == {"0"}


@pytest.fixture
def sheets(lark: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Yield the client's own view of a spreadsheet with a header and three rows."""
    pytest.importorskip("larksync", reason="`make lock` pins it; environments made before lack it")
    auth, http, client = (import_module(f"larksync.{name}") for name in ("auth", "http", "sheets"))
    monkeypatch.setattr(http, "BASE", f"{lark.base_url}/open-apis")
    monkeypatch.setattr(http, "_client", None)
    monkeypatch.setattr(auth, "TOKEN_FILE", tmp_path / "token.json")
    monkeypatch.setenv("LARKSYNC_APP_ID", lark.app_id)
    monkeypatch.setenv("LARKSYNC_APP_SECRET", lark.app_secret)
    token = lark.add_document("Stock", owner=f"app:{lark.app_id}")
    rows = [["id", "name"], ["1", "a"], ["2", "b"], ["3", "c"]]
    lark.edit_sheet(token, [{"do": "type", "cell": "A1", "values": rows}])
    yield client.Sheets(auth.Auth("tenant"), token)
    http._client.close()


def test_it_reads_writes_appends_and_deletes_rows(lark: Emulator, sheets: Any) -> None:
    header, rows, refs = sheets.read()
    assert (header, refs) == (["id", "name"], [2, 3, 4])
    assert rows[2] == {"id": "3", "name": "c"}
    sheets.add_fields(["note"])
    new_refs = [
        ref for part in sheets.create([{"id": f"n{n}", "name": "x"} for n in range(300)]) for ref in part
    ]
    assert new_refs == list(range(5, 305))
    sheets.update([(2, "note", "first"), (3, "note", "second")])
    sheets.delete([3, 4])
    header, rows, refs = sheets.read()
    assert (header, len(rows), refs[-1]) == (["id", "name", "note"], 301, 302)
    assert rows[:2] == [
        {"id": "1", "name": "a", "note": "first"},
        {"id": "n0", "name": "x", "note": ""},
    ]
    values = lark.sheet(sheets.token)["values"]
    assert (values[1], values[301]) == (["1", "a", "first"], ["n299", "x", None])
    assert lark.state(summary=True)["by_code"].keys() == {"0"}
