"""Users of the Simple auth manager and of others: what is kept, and when it is restored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

from lark_provider.plugins import users
from lark_provider.plugins.users import AuthManagerUnsupportedError, InactiveUserError
from lark_provider.storage.people import Account, Linked, Person

BOB = Person("cli_a", "tenant", "ou_bob")
SIMPLE = f"{SimpleAuthManager.__module__}.SimpleAuthManager"


@pytest.fixture
def simple(monkeypatch: pytest.MonkeyPatch) -> SimpleAuthManager:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "bob:user,Alice:viewer,carol@x.co:op")
    return SimpleAuthManager()  # type: ignore[no-untyped-call]


def make_link(account: Account, at: datetime | None = None) -> Linked:
    return Linked(BOB, account, at or datetime.now(UTC))


def session(manager: SimpleAuthManager, name: str, role: str) -> BaseUser:
    return manager.deserialize_user({"sub": name, "role": role})


def test_a_simple_user_is_restored_with_the_role_that_is_configured_now(
    simple: SimpleAuthManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = users.make_account(session(simple, "bob", "user"), simple)
    assert (account.auth_manager, account.user_id, account.user_name) == (SIMPLE, "bob", "bob")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "bob:viewer")
    assert vars(users.restore(make_link(account), simple))["role"] == "viewer"
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "eve:admin")
    with pytest.raises(InactiveUserError, match="does not exist or is not active"):
        users.restore(make_link(account), simple)


def test_a_session_of_a_removed_user_is_not_kept(simple: SimpleAuthManager) -> None:
    with pytest.raises(InactiveUserError):
        users.make_account(session(simple, "gone", "admin"), simple)


def test_a_link_of_another_auth_manager_is_not_restored(simple: SimpleAuthManager) -> None:
    account = Account("fab.FabAuthManager", "bob", "bob", {"sub": "bob", "role": "admin"})
    with pytest.raises(InactiveUserError, match="was made with the auth manager"):
        users.restore(make_link(account), simple)


def test_users_are_found_by_name_and_address(
    simple: SimpleAuthManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_id(user: BaseUser | None) -> str | None:
        return None if user is None else user.get_id()

    assert find_id(users.find_by_name("bob", simple)) == "bob"
    assert find_id(users.find_by_name("BOB", simple)) is None
    assert find_id(users.find_by_email("Bob@x.co", simple)) == "bob"
    assert find_id(users.find_by_email("alice@x.co", simple)) == "Alice"
    assert find_id(users.find_by_email("CAROL@x.co", simple)) == "carol@x.co"
    assert find_id(users.find_by_email("dave@x.co", simple)) is None
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "bob:user,bob@x.co:op")
    assert users.find_by_email("bob@x.co", simple) is None  # two of them


def test_everybody_is_the_anonymous_admin_where_airflow_says_so(
    simple: SimpleAuthManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    anonymous = session(simple, "Anonymous", "ADMIN")
    with pytest.raises(InactiveUserError):
        users.make_account(anonymous, simple)
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    account = users.make_account(anonymous, simple)
    assert users.restore(make_link(account), simple).get_id() == "Anonymous"


class GroupUser(BaseUser):
    def __init__(self, claims: dict[str, Any]) -> None:
        self.claims = claims

    def get_id(self) -> str:
        return str(self.claims["sub"])

    def get_name(self) -> str:
        return str(self.claims["sub"])


def other(**more: Any) -> BaseAuthManager[GroupUser]:
    """Return an auth manager that can only serialize and restore users; restored claims include `more`."""

    class Other(BaseAuthManager[GroupUser]):
        def serialize_user(self, user: GroupUser) -> dict[str, Any]:
            return user.claims

        def deserialize_user(self, token: dict[str, Any]) -> GroupUser:
            return GroupUser(token | more)

    Other.__abstractmethods__ = frozenset()
    manager: BaseAuthManager[GroupUser] = Other()  # type: ignore[abstract, no-untyped-call]
    return manager


def test_another_auth_manager_restores_a_user_for_a_week() -> None:
    manager = other()
    account = users.make_account(GroupUser({"sub": "bob", "groups": ["a"]}), manager)
    day = timedelta(days=1)
    recent = make_link(account, datetime.now(UTC) - users.UNCHECKED + day)
    assert users.restore(recent, manager).get_id() == "bob"
    with pytest.raises(InactiveUserError, match="must be at most 7 days old"):
        users.restore(make_link(account, datetime.now(UTC) - users.UNCHECKED - day), manager)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"sub": "bob", "access_token": "s3cr3t", "refresh_token": "t"}, "access_token, refresh_token"),
        ({"sub": "bob", "since": datetime.now(UTC)}, "as JSON"),
    ],
)
def test_an_auth_manager_that_needs_the_session_is_refused(claims: dict[str, Any], reason: str) -> None:
    with pytest.raises(AuthManagerUnsupportedError, match=reason) as error:
        users.make_account(GroupUser(claims), other())
    assert "s3cr3t" not in str(error.value)


def test_an_auth_manager_that_restores_another_user_is_refused() -> None:
    with pytest.raises(AuthManagerUnsupportedError, match="restored another user"):
        users.make_account(GroupUser({"sub": "bob"}), other(sub="admin"))


def test_another_auth_manager_finds_nobody_by_name() -> None:
    for find in (users.find_by_name, users.find_by_email):
        with pytest.raises(AuthManagerUnsupportedError, match="Simple or FAB"):
            find("bob@x.co", other())
