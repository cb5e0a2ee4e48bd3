"""`lark-provider ledger`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import LarkError
from lark_provider.protocol.ledger import Claimant
from lark_provider.storage import urls
from lark_provider.storage.table_leases import TableLeases
from tests.cli.conftest import Run
from tests.storage import prepared

CHAT = "oc_emulator_data_team"


@pytest.fixture
def loaded(lark: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Send a message, start a load whose third chunk is rejected, and return the load's arguments."""
    url = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    client = LarkServiceClient()
    client.messaging.send_text(CHAT, "x", idempotency_key="greeting of ann@example.com")
    bitable = client.clouddoc.bitable
    app_token = bitable.create_app("Base").data["app"]["app_token"]
    fields: list[Any] = [{"field_name": "No", "type": 2}]
    table_id = bitable.create_table(app_token, "T", fields=fields).data["table_id"]
    lark.fault(path="*/records/batch_create", skip=2, code=1254060)
    load: dict[str, Any] = {
        "app_token": app_token,
        "table_id": table_id,
        "idempotency_key": "nightly\nload",
        "chunk_size": 2,
    }
    with pytest.raises(LarkError):
        bitable.bulk_insert(records=[{"No": number} for number in range(6)], **load)
    return load


def test_what_was_recorded_is_listed(run: Run, loaded: dict[str, Any]) -> None:
    done = run("ledger", "list")
    assert done.code == 0
    lines = [line.split("│") for line in done.out.splitlines() if "load" in line or "message" in line]
    assert [
        [cell.strip() for cell in (line[2], line[3], line[4], line[5], line[6], line[8])] for line in lines
    ] == [
        ["load", "pending", "4", "0", "1", "nightly load"],
        ["message", "done", "", "0", "0", "greeting of ***@example.com"],
    ]
    assert [
        entry["kind"] for entry in json.loads(run("ledger", "list", "--state", "done", "--json").out)
    ] == ["message"]
    assert len(json.loads(run("ledger", "list", "--kind", "load", "--limit", "1", "--json").out)) == 1
    assert run("ledger", "list", "--state", "refused").out == "Nothing is recorded.\n"


def test_one_is_shown_with_its_chunks(run: Run, loaded: dict[str, Any]) -> None:
    (load,) = json.loads(run("ledger", "list", "--kind", "load", "--json").out)
    shown = run("ledger", "show", load["id"][:8])
    assert "name: nightly load" in shown.out
    assert [line.split("│")[3].strip() for line in shown.out.splitlines() if " to " in line] == [
        "done",
        "done",
        "refused",
    ]
    assert "1254060" in shown.out
    details = json.loads(run("ledger", "show", load["id"], "--json").out)
    assert [chunk["row_count"] for chunk in details["chunks"]] == [2, 2, 2]


def test_one_is_forgotten_and_writes_again(run: Run, loaded: dict[str, Any]) -> None:
    (load,) = json.loads(run("ledger", "list", "--kind", "load", "--json").out)
    done = run("ledger", "forget", load["id"][:12])
    assert (done.code, done.out) == (0, f"Forgot load {load['id'][:12]}; 4 row(s) that it wrote stay.\n")
    assert json.loads(run("ledger", "list", "--kind", "load", "--json").out) == []
    rows = [{"No": number} for number in range(6)]
    bitable = LarkServiceClient().clouddoc.bitable
    before = len(list(bitable.search_records(loaded["app_token"], loaded["table_id"])))
    assert bitable.bulk_insert(records=rows, **loaded).replayed == 0
    # Lark knew the tokens of the first load, and wrote nothing.
    assert len(list(bitable.search_records(loaded["app_token"], loaded["table_id"]))) == before + len(rows)


def test_one_that_is_being_written_is_not_forgotten(
    run: Run, loaded: dict[str, Any], lark: Emulator, tmp_path: Path
) -> None:
    (load,) = json.loads(run("ledger", "list", "--kind", "load", "--json").out)
    leases = TableLeases(urls.parse(f"sqlite:///{tmp_path}/lark.db", "test"), lark.base_url, "s")
    leases.take(Claimant(load["target"], "other", f"load {load['id'][:12]}", 60))
    done = run("ledger", "forget", load["id"])
    assert done.code == 1
    assert "is writing now" in done.err


@pytest.mark.parametrize("name", ["", "zz", "%", "é", "\udcff"])
def test_an_id_that_names_none_is_an_error(run: Run, loaded: dict[str, Any], name: str) -> None:
    done = run("ledger", "show", name)
    assert done.code == 1
    assert "One id of the ledger must begin with" in done.err


def test_without_a_database_nothing_is_recorded(run: Run) -> None:
    done = run("ledger", "list")
    assert done.code == 1
    assert "No database is configured" in done.err


@pytest.mark.parametrize("limit", ["0", "9" * 20])
def test_a_limit_is_a_number(run: Run, limit: str) -> None:
    assert run("ledger", "list", "--limit", limit).code == 2
