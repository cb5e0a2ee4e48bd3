"""People, looked up at the emulator by both clients; what was learned is shared through real databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.engine.runtime import PROCESS
from lark_provider.errors import (
    InvalidRequestError,
    LarkError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from lark_provider.storage import urls
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.tables import user_cache
from tests.client.conftest import Do, count
from tests.services.postgres import OwnPostgres
from tests.storage import prepared

GET_ID = "POST /open-apis/contact/v3/users/batch_get_id"
READ = "GET /open-apis/contact/v3/users/batch"
ALICE, BOB = "ou_emulator0001_alice", "ou_emulator0001_bob"


@pytest.fixture(autouse=True)
def _new_process(lark: Emulator) -> None:
    PROCESS.users.clear()
    lark.settings(rate_limits=False)


@pytest.fixture
def colleagues(lark: Emulator) -> dict[str, str]:
    """Add 120 users, and return the open_id of each e-mail address."""
    for number in range(120):
        lark.add_user(f"u{number}", email=f"u{number}@example.com", mobile=f"+86139{number:08}")
    return {f"u{number}@example.com": f"ou_emulator0001_u{number}" for number in range(120)}


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> sa.Engine:
    """Configure a database, of each kind in turn, and return an engine for it."""
    sqlite = request.param == "sqlite"
    text: str = f"sqlite:///{tmp_path}/lark.db" if sqlite else request.getfixturevalue("database_url")
    url = urls.parse(text, "test")
    prepared.upgrade(url)
    monkeypatch.setenv("LARK_DATABASE_URL", text)
    return get_engine(url)


def count_cached(database: sa.Engine) -> int:
    with hold_transaction(database, reading=True) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(user_cache)) or 0


def outdate(database: sa.Engine) -> None:
    """Make all cached users a day old, and expired."""
    now = datetime.now(UTC)
    with hold_transaction(database) as connection:
        times = {"fetched_at": now - timedelta(days=1), "expires_at": now - timedelta(seconds=1)}
        connection.execute(user_cache.update().values(**times))


def in_a_process_of_its_own(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return done.stdout.strip()


def test_many_are_found_fifty_at_a_time_and_remembered(
    lark: Emulator, do: Do, colleagues: dict[str, str]
) -> None:
    emails = [*list(colleagues)[:119], "who@example.com"]
    for _ in range(2):
        ids = do(lambda c: c.contact.find_by_email(emails))
        assert list(ids.items()) == [(email, colleagues.get(email)) for email in emails]
        assert count(lark, GET_ID) == 3
    do(lambda c: c.contact.find_by_email(emails, max_age=0))
    assert count(lark, GET_ID) == 6


def test_a_second_process_asks_nobody(
    lark: Emulator, do: Do, colleagues: dict[str, str], database: sa.Engine
) -> None:
    emails = [*list(colleagues)[:119], "who@example.com"]
    do(lambda c: c.contact.find_by_email(emails))
    assert (count(lark, GET_ID), count_cached(database)) == (3, 120)
    code = f"from lark_provider import LarkServiceClient as C; print(C().contact.find_by_email({emails}))"
    assert in_a_process_of_its_own(code) == str({email: colleagues.get(email) for email in emails})
    PROCESS.users.clear()
    do(lambda c: c.contact.find_by_email(emails))
    assert count(lark, GET_ID) == 3


@pytest.mark.parametrize(
    "failure",
    [
        {"drop": "before"},
        {"status": 502, "body": "<html>"},
        {"status": 429, "code": 99991400, "headers": {"x-ogw-ratelimit-reset": "1"}},
    ],
    ids=["unreachable", "failing", "too busy"],
)
def test_old_answers_serve_while_lark_cannot_be_asked(
    lark: Emulator, do: Do, database: sa.Engine, caplog: pytest.LogCaptureFixture, failure: dict[str, Any]
) -> None:
    emails = ["alice@example.com", "bob@example.com"]
    do(lambda c: c.contact.find_by_email(emails))
    outdate(database)
    lark.fault(path="*/batch_get_id", times=99, **failure)
    ids = do(lambda c: c.contact.find_by_email(emails), max_retries=0)
    assert ids == dict(zip(emails, (ALICE, BOB), strict=True))
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "using expired cache entries" in warning.getMessage()
    assert vars(warning)["entries"] == 2
    with pytest.raises(LarkError, match="Next: "):
        do(lambda c: c.contact.find_by_email([*emails, "carol@example.com"]), max_retries=0)
    lark.clear_faults()
    for _ in range(2):
        do(lambda c: c.contact.find_by_email(emails))
    assert count(lark, GET_ID) == 4  # the first, two in vain, and one when Lark was back


def test_the_guides_clean_up_costs_one_request(lark: Emulator, do: Do, database: sa.Engine) -> None:
    do(lambda c: c.contact.get_id("alice@example.com"))
    with hold_transaction(database) as connection:
        clean_up = "DELETE FROM user_cache WHERE expires_at < CURRENT_TIMESTAMP"
        assert connection.execute(sa.text(clean_up)).rowcount == 0
    outdate(database)
    with hold_transaction(database) as connection:
        assert connection.execute(sa.text(clean_up)).rowcount == 1
    assert do(lambda c: c.contact.get_id("alice@example.com")) == ALICE
    assert (count(lark, GET_ID), count_cached(database)) == (2, 1)


def test_a_database_that_is_unavailable_stops_nobody(
    lark: Emulator, do: Do, own_postgres: OwnPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    url = own_postgres.server.build_url()
    prepared.upgrade(urls.parse(url, "test"))

    def look(*emails: str) -> Any:
        return do(lambda c: c.contact.find_by_email(emails), database_url=url)

    assert look("alice@example.com") == {"alice@example.com": ALICE}
    own_postgres.stop()
    assert look("alice@example.com", "bob@example.com") == {
        "alice@example.com": ALICE,
        "bob@example.com": BOB,
    }
    assert look("bob@example.com") == {"bob@example.com": BOB}
    assert count(lark, GET_ID) == 2  # one for each, whom this process has seen since
    assert sum("Shared database unavailable" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("state", ["never there", "not migrated"])
def test_a_database_that_is_unusable_stops_nobody(
    lark: Emulator, do: Do, database_url: str, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    url = database_url if state == "not migrated" else "postgresql://nobody@127.0.0.1:1/nothing"
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    for _ in range(2):
        assert do(lambda c: c.contact.get_id("alice@example.com")) == ALICE
    assert count(lark, GET_ID) == 1


@pytest.mark.parametrize("where", ["memory", "postgresql", "sqlite"])
def test_each_app_has_its_own_people(
    lark: Emulator,
    do: Do,
    where: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    settings: dict[str, Any] = {}
    if where != "memory":
        sqlite = f"sqlite:///{tmp_path}/lark.db"
        settings["database_url"] = sqlite if where == "sqlite" else request.getfixturevalue("database_url")
        prepared.upgrade(urls.parse(settings["database_url"], "test"))
    other = lark.add_app("cli_other", "other-secret")
    for _ in range(2):
        assert do(lambda c: c.contact.get_id("alice@example.com"), **settings) == ALICE
        credentials = {"app_id": other["app_id"], "app_secret": "other-secret"}
        open_id = do(lambda c: c.contact.get_id("alice@example.com"), **credentials, **settings)
        assert open_id == "ou_other_alice"
    assert count(lark, GET_ID) == 2


def test_each_tenant_of_a_store_app_has_its_own_people(lark: Emulator, do: Do) -> None:
    secret = lark.add_app("cli_store", store=True, tenant_keys=["a", "b"])["app_secret"]
    credentials = {"app_id": "cli_store", "app_secret": secret}
    httpx.post(f"{lark.base_url}/open-apis/auth/v3/app_ticket/resend", json=credentials).raise_for_status()
    ticket = lark.state(summary=True)["apps"][-1]["app_ticket"]
    do(lambda c: c.store_app.keep_ticket(ticket), **credentials)
    for tenant in "aabb":
        open_id = do(lambda c: c.contact.get_id("alice@example.com"), tenant_key=tenant, **credentials)
        assert open_id == "ou_store_alice"
    assert count(lark, GET_ID) == 2


def test_upper_and_lower_case_are_the_same_address(lark: Emulator, do: Do) -> None:
    assert do(lambda c: c.contact.find_by_email(["alice@example.com", "Alice@Example.com"])) == {
        "alice@example.com": ALICE,
        "Alice@Example.com": ALICE,
    }
    assert do(lambda c: c.contact.get_id(" ALICE@example.com ")) == ALICE
    assert count(lark, GET_ID) == 1


def test_a_number_is_the_same_however_it_is_written(lark: Emulator, do: Do) -> None:
    written = ["13800000001", "+86 138-0000-0001", "+8613800000002", "+1 (202) 555-0100"]
    assert do(lambda c: c.contact.find_by_mobile(written)) == dict(
        zip(written, (ALICE, ALICE, BOB, None), strict=True)
    )
    assert do(lambda c: c.contact.get_id("+8613800000001")) == ALICE
    assert count(lark, GET_ID) == 1


@pytest.mark.parametrize(
    ("user_id_type", "expected"),
    [("open_id", ALICE), ("union_id", "on_emulator_alice"), ("user_id", "alice")],
)
def test_ids_of_each_kind(lark: Emulator, do: Do, user_id_type: str, expected: str) -> None:
    for _ in range(2):
        user_id = do(lambda c: c.contact.get_id("alice@example.com", user_id_type=user_id_type))
        assert user_id == expected
        user = do(lambda c: c.contact.get_user(expected, user_id_type=user_id_type))
        assert (user["name"], user["open_id"]) == ("李雷", ALICE)
    assert (count(lark, GET_ID), count(lark, READ)) == (1, 1)


def test_users_are_read_fifty_at_a_time_and_remembered(
    lark: Emulator, do: Do, colleagues: dict[str, str], database: sa.Engine
) -> None:
    user_ids = [*colleagues.values(), ALICE]
    for _ in range(2):
        users = do(lambda c: c.contact.get_users(user_ids))
        assert list(users) == user_ids
        assert [user["open_id"] for user in users.values()] == user_ids
        PROCESS.users.clear()
    assert (count(lark, READ), count_cached(database)) == (3, 121)


def test_what_a_caller_changes_changes_nothing_for_others(lark: Emulator, do: Do) -> None:
    do(lambda c: c.contact.get_user(ALICE))
    for _ in range(2):
        user = do(lambda c: c.contact.get_user(ALICE))
        assert user.pop("name") == "李雷"
    assert count(lark, READ) == 1


@pytest.mark.parametrize(("mode", "requests"), [("gateway", 3), ("endpoint", 2)])
def test_ids_that_do_not_exist_are_nobody(
    lark: Emulator, do: Do, colleagues: dict[str, str], mode: str, requests: int
) -> None:
    lark.settings(unknown_user_ids=mode)
    user_ids = [*list(colleagues.values())[:58], "ou_emulator0001_gone", "ou_emulator0001_away"]
    for _ in range(2):
        users = do(lambda c: c.contact.get_users(user_ids))
        assert [user_id for user_id, user in users.items() if user is None] == user_ids[-2:]
        assert count(lark, READ) == requests
    assert do(lambda c: c.contact.get_user("ou_emulator0001_nobody")) is None


def test_ids_that_do_not_exist_are_found_without_their_names(
    lark: Emulator, do: Do, colleagues: dict[str, str]
) -> None:
    user_ids = [*list(colleagues.values())[:7], "ou_emulator0001_gone"]

    def hide(times: int) -> None:
        lark.fault(
            path="*/users/batch", status=400, code=99992351, msg="these open ids not existed", times=times
        )

    hide(1)  # once for all eight: 4 + 4, of which the emulator itself refuses the second and names whom
    users = do(lambda c: c.contact.get_users(user_ids))
    assert [user_id for user_id, user in users.items() if user is None] == user_ids[-1:]
    assert count(lark, READ) == 4
    hide(99)
    assert do(lambda c: c.contact.get_users(["ou_x", "ou_y", "ou_z"])) == dict.fromkeys(
        ["ou_x", "ou_y", "ou_z"]
    )


def test_an_id_of_another_app_is_a_mistake(lark: Emulator, do: Do) -> None:
    lark.add_app("cli_other")
    with pytest.raises(NotFoundError) as refused:
        do(lambda c: c.contact.get_users([ALICE, "ou_other_alice"]))
    assert refused.value.code == 99992361


def test_who_is_out_of_range_is_nobody(lark: Emulator, do: Do) -> None:
    lark.change_app(available_to=["bob"])
    assert do(lambda c: c.contact.find_by_email(["alice@example.com"])) == {"alice@example.com": None}
    assert do(lambda c: c.contact.get_user(ALICE)) is None


def test_a_missing_scope_names_it(lark: Emulator, do: Do) -> None:
    lark.change_app(scopes=["contact:contact.base:readonly"])
    with pytest.raises(PermissionDeniedError) as refused:
        do(lambda c: c.contact.get_id("alice@example.com"))
    assert refused.value.scopes == ("contact:user.id:readonly",)
    user = do(lambda c: c.contact.get_user(ALICE))
    assert "name" not in user
    lark.change_app(scopes=["contact:contact.base:readonly", "contact:user.base:readonly"])
    assert "name" not in do(lambda c: c.contact.get_user(ALICE))
    assert do(lambda c: c.contact.get_user(ALICE, max_age=0))["name"] == "李雷"
    with pytest.raises(
        PermissionDeniedError, match=r"Next: grant the scope contact:user\.employee_id"
    ) as refused:
        do(lambda c: c.contact.get_users(["alice", "bob"], user_id_type="user_id"))
    assert refused.value.scopes == ("contact:user.employee_id:readonly",)


def test_bad_input_is_refused_before_the_network(lark: Emulator, do: Do) -> None:
    works: list[Callable[[Any], Any]] = [
        lambda c: c.contact.find_by_email(["alice"]),
        lambda c: c.contact.find_by_mobile("12345"),
        lambda c: c.contact.get_users([""]),
        lambda c: c.contact.get_id("alice@example.com", max_age=-1),
    ]
    for work in works:
        with pytest.raises(InvalidRequestError, match="Next: "):
            do(work)
    assert do(lambda c: c.contact.get_users([])) == {}
    assert lark.state(summary=True)["requests"] == 0


def test_rate_limits_are_kept_to_where_nothing_is_known(lark: Emulator) -> None:
    lark.fault(path="*/batch_get_id", status=429, code=99991400, times=99)
    with pytest.raises(RateLimitError):
        LarkServiceClient(max_retries=0).contact.get_id("alice@example.com")
