"""Several processes that sync one table at once, and what an interrupted one has left to settle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.loads.leasing import format_target
from lark_provider.config import find_app as configured_app
from lark_provider.errors import LarkAPIError, OutcomeUnknownError
from lark_provider.protocol.ledger import Claimant
from lark_provider.storage import urls
from lark_provider.storage.store import SharedStore
from tests.client.conftest import count
from tests.loads.attempts import Attempts
from tests.storage import prepared
from tests.syncs.attempt import yield_rows

CREATE = "POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_create"
KINDS = (("No", 1), ("Name", 1), ("Size", 2), ("Who", 11))
KEYS = [f"N{number}" for number in range(50)]
TOKEN = "7e57ab1e-0000-4000-8000-000000000001"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/shared.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    return url


@pytest.fixture
def place(lark: Emulator) -> tuple[str, str]:
    lark.settings(rate_limits=False)
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Syncs").data["app"]["app_token"]
    fields: list[Any] = [{"field_name": name, "type": kind} for name, kind in KINDS]
    return app_token, bitable.create_table(app_token, "Rows", fields=fields).data["table_id"]


@pytest.fixture
def attempts(lark: Emulator, database: str) -> Iterator[Attempts]:
    environ = {
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "LARK_BASE_URL": lark.base_url,
        "LARK_DATABASE_URL": database,
    }
    with Attempts(environ) as running:
        yield running


def read_keys(place: tuple[str, str]) -> list[str]:
    return sorted(
        record["fields"]["No"] for record in LarkServiceClient().clouddoc.bitable.search_records(*place)
    )


def spec(place: tuple[str, str], number: int, **options: Any) -> dict[str, Any]:
    base = {"module": "tests.syncs.attempt", "app_token": place[0], "table_id": place[1], "version": 0}
    return {**base, "rows": number, "options": {"mode": "upsert", "table_wait": 80.0, **options}}


def test_syncs_of_one_table_at_once_take_turns(
    lark: Emulator, place: tuple[str, str], attempts: Attempts
) -> None:
    lark.settings(write_ms=20.0)
    pids = [attempts.start(spec(place, 2500)) for _ in range(4)]
    said = [attempts.wait_until_ended(pid) for pid in pids]
    created = [outcome["said"]["created"] for outcome in said if outcome is not None]
    assert sorted(created) == [0, 0, 0, 2500]
    assert read_keys(place) == sorted(f"N{number}" for number in range(2500))


def leave_interrupted(place: tuple[str, str], database: str) -> None:
    """Leave what a sync leaves that was killed while it created 50 records."""
    app = configured_app(None, None, None)
    assert app is not None
    store = SharedStore(urls.parse(database, "test"), app)
    claimant = Claimant(format_target(*place), "killed", "a sync that was killed", 0.0)
    text = f'{{"token": "{TOKEN}", "keys": {KEYS}, "key_fields": ["No"]}}'.replace("'", '"')
    store.leases.record_intent(claimant, text)


@pytest.mark.parametrize("outcome", ["performed", "late", "never"])
def test_an_interrupted_create_is_settled_before_the_table_is_read(
    lark: Emulator, place: tuple[str, str], database: str, attempts: Attempts, outcome: str
) -> None:
    source = list(yield_rows(60, 0))
    body = {"records": [{"fields": row} for row in source[:50]]}
    path = f"/bitable/v1/apps/{place[0]}/tables/{place[1]}/records/batch_create"
    if outcome == "late":
        lark.fault("POST", "*/records/batch_create", drop="late", late_s=600.0)
    if outcome != "never":
        client = LarkServiceClient(max_retries=0)
        with suppress(OutcomeUnknownError):  # if it is performed late, its answer is lost
            client.call("POST", path, params={"client_token": TOKEN}, json=body)
    leave_interrupted(place, database)
    said = attempts.run(spec(place, 60))
    assert said["settled"] == "written"
    assert said["created"] == 10
    sent = [dict(request["query"]) for request in lark.requests() if request["path"].endswith("batch_create")]
    assert [query["client_token"] for query in sent].count(TOKEN) == (2 if outcome == "late" else 1)
    lark.advance(700)
    assert all(late["performed"] for late in lark.late_requests())
    assert read_keys(place) == sorted(f"N{number}" for number in range(60))
    assert attempts.run(spec(place, 60))["settled"] == "", "it is settled once"


def test_an_old_intent_is_decided_by_reading(
    lark: Emulator, place: tuple[str, str], database: str, attempts: Attempts
) -> None:
    leave_interrupted(place, database)
    said = attempts.run(spec(place, 60, token_window=0.0, settle_after=0.5))
    assert (said["settled"], said["created"]) == ("unknown", 60)
    assert count(lark, CREATE) == 1
    assert read_keys(place) == sorted(f"N{number}" for number in range(60))


def test_a_refused_create_leaves_nothing_to_settle(
    lark: Emulator, place: tuple[str, str], database: str
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bad: list[dict[str, Any]] = [{"No": "1", "Who": [{"id": "ou_unknown"}]}, {"No": "2"}]
    with pytest.raises(LarkAPIError, match=r"1254066.*which of the 2 rows.*on_bad_row='skip' finds"):
        bitable.sync(*place, bad, key_fields="No", mode="upsert")
    done = bitable.sync(*place, [{"No": "1"}], key_fields="No", mode="upsert")
    assert (done.settled, done.created) == ("", 1)
    assert count(lark, CREATE) == 2, "the refused request is not sent again"
