"""Links of people and the codes with which they are made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.errors import ConfigurationError
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import link_codes, people
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, generate_key
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.link_codes import LinkCodes
from lark_provider.storage.people import Account, People, Person, make_unreadable_error

BOB = Person("cli_a", "tenant", "ou_bob")
EVE = Person("cli_a", "tenant", "ou_eve")
ACCOUNT = Account("simple.SimpleAuthManager", "bob", "Bob", {"sub": "bob", "role": "USER"})
ADMIN = Account("simple.SimpleAuthManager", "admin", "Admin", {"sub": "admin", "role": "ADMIN"})


@pytest.fixture
def store(url: URL, key: str) -> People:
    return People(url)


def execute(url: URL, statement: sa.Executable) -> None:
    with hold_transaction(migrate.prepare_engine(url)) as connection:
        connection.execute(statement)


def read_rows(url: URL, table: sa.Table) -> list[dict[str, object]]:
    with hold_transaction(migrate.prepare_engine(url), reading=True) as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]


def get(store: People, person: Person) -> Account | None:
    link = store.find(person.app_id, person.tenant_key, person.open_id)
    return None if link is None else link.account


def test_a_link_returns_the_serialised_user(store: People, url: URL) -> None:
    linked = store.link_person(BOB, ACCOUNT)
    assert store.find(*make_key(BOB)) == linked
    assert get(store, BOB) == ACCOUNT
    assert get(store, EVE) is None
    [row] = read_rows(url, people)
    assert "USER" not in str(row["airflow_user"])
    assert "USER" not in repr(linked)


def make_key(person: Person) -> tuple[str, str, str]:
    return person.app_id, person.tenant_key, person.open_id


def test_a_new_link_replaces_the_old_one(store: People) -> None:
    store.link_person(BOB, ACCOUNT)
    store.link_person(BOB, ADMIN)
    assert get(store, BOB) == ADMIN
    assert [link.account.user_id for link in store.list_links()] == ["admin"]


def test_links_are_found_by_user(store: People) -> None:
    store.link_person(BOB, ACCOUNT)
    store.link_person(EVE, ADMIN)
    store.link_person(Person("cli_other", "tenant", "ou_other"), ACCOUNT)
    store.link_person(Person("cli_a", "tenant", "ou_bobs_second"), ACCOUNT)
    links_by_user = store.by_user("cli_a", ["bob", "admin", "nobody", "3"])
    people_by_user = {user: {link.person.open_id for link in links} for user, links in links_by_user.items()}
    assert people_by_user == {"bob": {"ou_bob", "ou_bobs_second"}, "admin": {"ou_eve"}}
    assert store.by_user("cli_a", []) == {}


def test_a_revoked_link_is_gone_and_cannot_be_set_back(store: People, url: URL) -> None:
    store.link_person(BOB, ACCOUNT)
    code = LinkCodes(store).create(BOB)
    [revoked] = store.revoke("ou_bob")
    assert revoked.is_revoked
    assert get(store, BOB) is None
    assert store.by_user("cli_a", ["bob"]) == {}
    assert LinkCodes(store).link_person(code, ACCOUNT) is None
    assert store.list_links() == []
    assert [link.is_revoked for link in store.list_links(revoked=True)] == [True]
    assert store.revoke("ou_bob") == []
    execute(url, sa.update(people).values(state="linked"))
    with pytest.raises(DecryptionError, match="not as it was recorded"):
        get(store, BOB)


def test_only_the_links_of_one_app_are_revoked(store: People) -> None:
    other = Person("cli_other", "tenant", "ou_bob")
    store.link_person(BOB, ACCOUNT)
    store.link_person(other, ACCOUNT)
    assert [link.person for link in store.revoke("ou_bob", app_id="cli_other")] == [other]
    assert get(store, BOB) == ACCOUNT


@pytest.mark.parametrize(
    "change",
    [
        {"open_id": "ou_eve"},
        {"tenant_key": "other"},
        {"app_id": "cli_other"},
        {"user_id": "admin"},
        {"user_name": "Admin"},
        {"auth_manager": "fab.FabAuthManager"},
        {"airflow_user": '{"sub": "admin", "role": "ADMIN"}'},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_row_that_was_changed_is_refused(store: People, url: URL, change: dict[str, str]) -> None:
    store.link_person(BOB, ACCOUNT)
    execute(url, sa.update(people).values(**change))
    where = {"app_id": "cli_a", "tenant_key": "tenant", "open_id": "ou_bob"} | change
    with pytest.raises(DecryptionError, match="not as it was recorded") as error:
        store.find(where["app_id"], where["tenant_key"], where["open_id"])
    assert "ADMIN" not in str(error.value)


def test_the_user_of_another_row_is_refused(store: People, url: URL) -> None:
    store.link_person(BOB, ACCOUNT)
    store.link_person(EVE, ADMIN)
    stolen = next(row["airflow_user"] for row in read_rows(url, people) if row["user_id"] == "admin")
    execute(url, sa.update(people).where(people.c.open_id == "ou_bob").values(airflow_user=stolen))
    with pytest.raises(DecryptionError, match="not as it was recorded"):
        get(store, BOB)


def test_another_key_is_reported_and_an_older_one_is_enough(
    store: People, url: URL, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.link_person(BOB, ACCOUNT)
    newer = generate_key()
    with pytest.raises(DecryptionError, match="let the person link again"):
        get(People(url, EncryptionKeys(newer)), BOB)
    assert get(People(url, EncryptionKeys(f"{newer},{key}")), BOB) == ACCOUNT
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ConfigurationError, match=KEY_VARIABLE):
        get(People(url), BOB)
    assert "bob" in People(url).by_user("cli_a", ["bob"])  # the bridge needs no key for it


def test_a_code_is_used_once(store: People, url: URL) -> None:
    code = LinkCodes(store).create(BOB)
    link_code = LinkCodes(store).find(code)
    assert link_code is not None
    assert (link_code.person, link_code.state) == (BOB, "valid")
    linked = LinkCodes(store).link_person(code, ACCOUNT)
    assert linked is not None
    assert linked.person == BOB
    assert LinkCodes(store).link_person(code, ACCOUNT) is None
    used = LinkCodes(store).find(code)
    assert used is not None
    assert used.state == "used"
    assert code not in str(read_rows(url, link_codes))


def test_codes_are_long_and_differ(store: People) -> None:
    codes = {LinkCodes(store).create(BOB) for _ in range(20)}
    assert len(codes) == 20
    assert all(len(code) * 6 >= 128 for code in codes)


def test_a_code_ends_after_ten_minutes(store: People, url: URL) -> None:
    code = LinkCodes(store).create(BOB)
    [row] = read_rows(url, link_codes)
    until = row["until"]
    assert isinstance(until, datetime)
    assert timedelta(minutes=9) < until - datetime.now(UTC) <= timedelta(minutes=10, seconds=5)
    execute(url, sa.update(link_codes).values(until=datetime.now(UTC) - timedelta(seconds=1)))
    link_code = LinkCodes(store).find(code)
    assert link_code is not None
    assert link_code.state == "expired"
    assert LinkCodes(store).link_person(code, ACCOUNT) is None
    assert store.list_links() == []


def test_codes_that_ended_long_ago_are_deleted(store: People, url: URL) -> None:
    old = LinkCodes(store).create(BOB)
    execute(url, sa.update(link_codes).values(until=datetime.now(UTC) - timedelta(days=2)))
    LinkCodes(store).create(EVE)
    assert LinkCodes(store).find(old) is None
    assert len(read_rows(url, link_codes)) == 1


@pytest.mark.parametrize("code", ["", "x", "x" * 10_000, "码", "' or 1=1 --", "\0", "\ud800"])
def test_what_is_no_code_finds_nothing(store: People, code: str) -> None:
    LinkCodes(store).create(BOB)
    assert LinkCodes(store).find(code) is None
    assert LinkCodes(store).link_person(code, ACCOUNT) is None


def test_of_uses_at_once_one_succeeds(store: People) -> None:
    code = LinkCodes(store).create(BOB)
    accounts = [Account("m", str(number), str(number), {"sub": number}) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = [
            link
            for link in pool.map(lambda account: LinkCodes(store).link_person(code, account), accounts)
            if link
        ]
    assert len(done) == 1
    assert get(store, BOB) == done[0].account


def test_a_link_that_fails_leaves_the_code_usable(
    store: People, url: URL, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = LinkCodes(store).create(BOB)
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ConfigurationError, match=KEY_VARIABLE):
        LinkCodes(store).link_person(code, ACCOUNT)
    monkeypatch.setenv(KEY_VARIABLE, key)
    assert LinkCodes(store).link_person(code, ACCOUNT) is not None


def test_users_are_encrypted_again_under_the_newest_key(store: People, url: URL, key: str) -> None:
    store.link_person(BOB, ACCOUNT)
    store.link_person(EVE, ADMIN)
    store.revoke(EVE.open_id)
    new = generate_key()
    rotated = People(url, EncryptionKeys(f"{new},{key}")).reseal()
    assert [linked.account for linked in rotated[0]] == [ACCOUNT]
    assert rotated[1] == []
    assert get(People(url, EncryptionKeys(new)), BOB) == ACCOUNT
    assert People(url, EncryptionKeys(new)).find_unreadable() == (1, [])
    with pytest.raises(DecryptionError, match="another key"):
        get(store, BOB)


def test_what_does_not_open_is_named_and_stays_as_it_is(store: People, url: URL, key: str) -> None:
    People(url, EncryptionKeys(generate_key())).link_person(EVE, ADMIN)
    store.link_person(BOB, ACCOUNT)
    before = {row["open_id"]: row["airflow_user"] for row in read_rows(url, people)}
    assert [linked.person for linked, _ in store.find_unreadable()[1]] == [EVE]
    opened, unreadable = People(url, EncryptionKeys(f"{generate_key()},{key}")).reseal()
    assert ([linked.person for linked in opened], [linked.person for linked, _ in unreadable]) == (
        [BOB],
        [EVE],
    )
    after = {row["open_id"]: row["airflow_user"] for row in read_rows(url, people)}
    assert after["ou_eve"] == before["ou_eve"]
    assert after["ou_bob"] != before["ou_bob"]
    assert "'ou_eve' (app 'cli_a')" in str(make_unreadable_error(unreadable))


def test_an_altered_link_is_reported_as_such_and_before_others(store: People, url: URL, key: str) -> None:
    People(url, EncryptionKeys(generate_key())).link_person(BOB, ACCOUNT)
    store.link_person(EVE, ACCOUNT)
    execute(url, sa.update(people).where(people.c.open_id == EVE.open_id).values(user_id="1"))
    count, unreadable = store.find_unreadable()
    assert (count, len(unreadable)) == (2, 2)
    assert "'ou_eve' (app 'cli_a') is not as it was recorded" in str(make_unreadable_error(unreadable))
