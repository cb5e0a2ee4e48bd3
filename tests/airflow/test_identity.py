"""Which user of Airflow a person acts as: by link, table or address; or why they may not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from airflow.api_fastapi.app import create_auth_manager
from lark_emulator import Emulator

from lark_provider.engine.runtime import PROCESS
from lark_provider.plugins import directory, users
from lark_provider.plugins.identity import ActingUser, Clicker, Identities, PersonRefusal
from lark_provider.protocol.hitl.people import PeopleSettings
from lark_provider.storage import migrate, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.bridge_tables import people as table
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.link_codes import LinkCodes
from lark_provider.storage.people import People, Person
from lark_provider.storage.tables import user_cache
from lark_provider.support.throttle import Throttle
from tests.services.processes import free_port
from tests.storage import prepared

TENANT, BASE = "tenant-own", "https://airflow.example.com/team/"


@pytest.fixture(autouse=True)
def _simple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "bob:user,alice:viewer")
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    create_auth_manager()


@pytest.fixture
def people(tmp_path: Path) -> People:
    url = urls.parse(f"sqlite:///{tmp_path}/lark.db", "ours")
    prepared.upgrade(url)
    return People(url)


@pytest.fixture
def resolve(
    people: People, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ActingUser | PersonRefusal]:
    monkeypatch.setattr(directory, "_DEADLINE", 60.0)  # on a busy machine, imports alone may take six

    def resolve(
        name: str = "alice", *, tenant: str = TENANT, settings: PeopleSettings | None = None, base: str = BASE
    ) -> ActingUser | PersonRefusal:
        identities = Identities(people, settings=lambda: settings or PeopleSettings(), base_url=lambda: base)
        return identities.resolve(Clicker(lark.app_id, TENANT, open_id(lark, name), tenant))

    return resolve


Resolve = Callable[..., ActingUser | PersonRefusal]


def open_id(lark: Emulator, name: str) -> str:
    return str(lark.change_user(name)["open_ids"][lark.app_id])


def link(people: People, lark: Emulator, name: str, user: str) -> None:
    airflow_user = users.find_by_name(user)
    assert airflow_user is not None
    people.link_person(Person(lark.app_id, TENANT, open_id(lark, name)), users.make_account(airflow_user))


def who(resolved: ActingUser | PersonRefusal) -> tuple[str, str]:
    assert isinstance(resolved, ActingUser), resolved
    return resolved.user.get_id(), resolved.source


def expect_refusal(resolved: ActingUser | PersonRefusal) -> PersonRefusal:
    assert isinstance(resolved, PersonRefusal), resolved
    assert set(resolved.message) == {"zh", "en"}
    return resolved


def test_a_linked_person_acts_as_their_user(people: People, lark: Emulator, resolve: Resolve) -> None:
    link(people, lark, "alice", "bob")
    assert who(resolve()) == ("bob", "link")


def test_an_unlinked_person_gets_a_link_of_their_own(
    people: People, lark: Emulator, resolve: Resolve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = expect_refusal(resolve())
    assert refused.outcome == "unlinked"
    assert refused.link_url is not None
    page, _, code = refused.link_url.partition("?code=")
    assert page == "https://airflow.example.com/team/lark/link"
    whose = LinkCodes(people).find(code)
    assert whose is not None
    assert (whose.person, whose.state) == (Person(lark.app_id, TENANT, open_id(lark, "alice")), "valid")
    assert code not in caplog.text
    assert code not in repr(refused)


def test_without_a_base_url_there_is_no_link(resolve: Resolve) -> None:
    refused = expect_refusal(resolve(base=""))
    assert (refused.outcome, refused.link_url) == ("unlinked", None)
    assert "administrator" in refused.message["en"]


def test_people_of_other_tenants_are_refused(people: People, lark: Emulator, resolve: Resolve) -> None:
    link(people, lark, "alice", "bob")
    for tenant in ("tenant-other", ""):
        assert expect_refusal(resolve(tenant=tenant)).outcome == "foreign_tenant"


@pytest.mark.parametrize("status", ["frozen", "resigned", "exited"])
def test_people_who_left_are_refused(people: People, lark: Emulator, resolve: Resolve, status: str) -> None:
    link(people, lark, "alice", "bob")
    lark.change_user("alice", status=status)
    table = PeopleSettings(users={open_id(lark, "alice"): "bob"})
    for settings in (None, table):
        assert expect_refusal(resolve(settings=settings)).outcome == "inactive"


def test_a_removed_user_is_refused(
    people: People, lark: Emulator, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(people, lark, "alice", "bob")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "eve:admin")
    refused = expect_refusal(resolve())
    assert refused.outcome == "unlinked"
    assert refused.link_url is not None


def test_an_altered_link_is_an_error_and_links_again(
    people: People, lark: Emulator, resolve: Resolve, caplog: pytest.LogCaptureFixture
) -> None:
    link(people, lark, "alice", "bob")
    with hold_transaction(migrate.prepare_engine(people.url)) as connection:
        connection.execute(sa.update(table).values(user_id="alice"))
    assert expect_refusal(resolve()).outcome == "unlinked"
    assert any(
        record.levelno == logging.ERROR and record.message.startswith("Link not usable: open_id=")
        for record in caplog.records
    )


def test_the_table_names_a_user(lark: Emulator, resolve: Resolve) -> None:
    alice = open_id(lark, "alice")
    assert who(resolve(settings=PeopleSettings(users={alice: "bob"}))) == ("bob", "table")
    refused = expect_refusal(resolve(settings=PeopleSettings(users={alice: "gone"})))
    assert (refused.outcome, refused.link_url) == ("inactive", None)
    assert expect_refusal(resolve("bob", settings=PeopleSettings(users={alice: "bob"}))).outcome == "unlinked"


def test_addresses_count_only_for_their_domains_and_enterprise_mail(lark: Emulator, resolve: Resolve) -> None:
    domains = PeopleSettings(email_domains=("corp.example.com", "example.com"))
    lark.change_user("alice", email="bob@corp.example.com")  # entered by the administrator
    assert expect_refusal(resolve(settings=domains)).outcome == "unlinked"
    lark.change_user("carol", enterprise_email="Bob@Corp.example.com")
    assert who(resolve("carol", settings=domains)) == ("bob", "email")
    other = PeopleSettings(email_domains=("other.example.com",))
    assert expect_refusal(resolve("carol", settings=other)).outcome == "unlinked"
    assert expect_refusal(resolve("carol")).outcome == "unlinked"


def test_addresses_need_a_person_who_is_known_to_work_there(lark: Emulator, resolve: Resolve) -> None:
    lark.change_user("alice", enterprise_email="bob@corp.example.com")
    lark.change_app(scopes=["contact:user.base:readonly"])  # neither status nor address
    settings = PeopleSettings(email_domains=("corp.example.com",))
    assert expect_refusal(resolve(settings=settings)).outcome == "unlinked"


def test_a_link_counts_where_the_app_may_not_see_the_status(
    people: People,
    lark: Emulator,
    resolve: Resolve,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory, "_throttle", Throttle())  # of the process: another test may have logged it
    link(people, lark, "alice", "bob")
    lark.change_app(scopes=["contact:user.base:readonly"])
    assert who(resolve()) == ("bob", "link")
    assert "Cannot tell whether people are frozen or resigned" in caplog.text


def test_clicks_of_a_disabled_app_are_refused(
    people: People, lark: Emulator, resolve: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counted as an app whose directory cannot be seen, and linked people were accepted."""
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "applications.db"))
    apps = ApplicationManager()
    apps.create_application(lark.app_id, "secret")
    link(people, lark, "alice", "bob")
    assert who(resolve()) == ("bob", "link")
    apps.disable_application(lark.app_id)
    PROCESS.registry.answers.clear()  # As after 30 s.
    refused = expect_refusal(resolve())
    assert refused.outcome == "forbidden"
    assert "disabled" in refused.message["en"]


def test_an_unreachable_lark_is_tried_again(people: People, lark: Emulator, resolve: Resolve) -> None:
    link(people, lark, "alice", "bob")
    lark.fault(path="/open-apis/contact/v3/users/batch", status=500, times=50)
    refused = expect_refusal(resolve())
    assert refused.outcome == "unavailable"


@pytest.mark.parametrize("age", [200.0, 400.0])
def test_a_person_is_not_accepted_from_an_old_cache_entry(
    people: People, lark: Emulator, resolve: Resolve, monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    """They may have been frozen since; while Lark could not be asked, an answer of any age counted."""
    monkeypatch.setenv("LARK_DATABASE_URL", people.url.render_as_string(hide_password=False))
    link(people, lark, "alice", "bob")
    assert who(resolve()) == ("bob", "link")
    fetched_at = datetime.now(UTC) - timedelta(seconds=age)
    with hold_transaction(migrate.prepare_engine(people.url)) as connection:
        connection.execute(sa.update(user_cache).values(fetched_at=fetched_at))
    lark.change_user("alice", status="frozen")
    lark.fault(path="/open-apis/contact/v3/users/batch", status=500, times=50)
    resolved = resolve()
    if age <= 300:
        assert who(resolved) == ("bob", "link")
    else:
        assert expect_refusal(resolved).outcome == "unavailable"
    lark.clear_faults()
    assert expect_refusal(resolve()).outcome == "inactive"


def test_an_unreachable_database_is_tried_again(lark: Emulator) -> None:
    missing = People(urls.parse(f"postgresql://lark:lark@127.0.0.1:{free_port()}/lark", "ours"))
    clicker = Clicker(lark.app_id, TENANT, open_id(lark, "alice"), TENANT)
    assert (
        expect_refusal(Identities(missing, base_url=lambda: BASE).resolve(clicker)).outcome == "unavailable"
    )
