"""The users of Airflow's auth managers: what is kept of one, and whether it still exists when it is restored.

Airflow is imported inside the functions: this module is loaded wherever plugins are, and only an API server
has an auth manager.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.storage.people import Account, Linked, Person

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

    Manager: TypeAlias = BaseAuthManager[Any]

_SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
_FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
_NO_ONE = Person("", "", "")
_CREDENTIALS = ("token", "secret", "password", "credential", "session")
UNCHECKED = timedelta(days=7)
"""How long a link counts where the auth manager cannot be asked whether the user still exists. What it stored
(groups, roles) is as old as the link."""


class AuthManagerUnsupportedError(ConfigurationError):
    """The auth manager cannot restore a user without the user's own session."""


class InactiveUserError(LarkError):
    """The user of Airflow does not exist any more, was deactivated, or must confirm the link again."""


def find_auth_manager() -> Manager:
    """Return the auth manager of this API server.

    Raises:
        RuntimeError: This process is not an API server.
    """
    from airflow.api_fastapi.app import get_auth_manager

    return get_auth_manager()


def get_manager_name(manager: Manager) -> str:
    """Return what identifies an auth manager in a link: its class, with its module."""
    return f"{type(manager).__module__}.{type(manager).__qualname__}"


def make_account(user: BaseUser, manager: Manager | None = None) -> Account:
    """Return what a link stores of a user.

    It blocks with FAB, which queries its database.

    Args:
        user: The user, as Airflow's session names them.
        manager: The auth manager; this API server's by default.

    Raises:
        AuthManagerUnsupportedError: The user could not be restored from it later.
        InactiveUserError: The user does not exist any more, or is not active.
    """
    manager = manager or find_auth_manager()
    stored = manager.serialize_user(user)
    name = get_manager_name(manager)
    stored_account = Account(name, str(user.get_id()), str(user.get_name()), _make_plain_user(stored, name))
    again = restore(Linked(_NO_ONE, stored_account, datetime.now(UTC)), manager)
    if str(again.get_id()) != stored_account.user_id:
        raise AuthManagerUnsupportedError(
            f"The auth manager {name} restored another user than it had serialised. Next: map people to "
            "users in lark.yaml, or use the Simple or FAB auth manager."
        )
    return stored_account


def restore(linked: Linked, manager: Manager | None = None) -> BaseUser:
    """Return the user of a link, with the rights that they have now.

    It blocks with FAB, which queries its database.

    Args:
        linked: The link, with the serialised user.
        manager: The auth manager; this API server's by default.

    Raises:
        InactiveUserError: The link was made with another auth manager; the user does not exist any more, has
            another name or is not active; or the auth manager cannot tell, and the link is old.
    """
    manager = manager or find_auth_manager()
    known, name = linked.account, get_manager_name(manager)
    if known.auth_manager != name:
        raise InactiveUserError(
            f"The link of {known.user_name!r} was made with the auth manager {known.auth_manager}; Airflow "
            f"uses {name} now. Next: link again."
        )
    user = _choose_restore(manager)(manager, linked)
    if user is None:
        raise InactiveUserError(
            f"The Airflow user {known.user_name!r} does not exist or is not active. Next: ask an "
            "administrator of Airflow, then link again."
        )
    return user


def find_by_name(name: str, manager: Manager | None = None) -> BaseUser | None:
    """Return the active user with a name; None if there is none.

    Args:
        name: The user name.
        manager: The auth manager; this API server's by default.

    Raises:
        AuthManagerUnsupportedError: The auth manager keeps no list of users.
    """
    manager = manager or find_auth_manager()
    kind = _get_kind(manager)
    if kind == _SIMPLE:
        return _read_simple_users(manager).get(name)
    if kind == _FAB:
        # Compared here again: on SQLite, FAB's column takes upper and lower case for the same.
        ids = [
            fab_user.id
            for fab_user in _select_fab_users(lambda user: user.username == name)
            if fab_user.username == name
        ]
        return _find_fab_user(manager, ids[0]) if len(ids) == 1 else None
    raise _no_list(manager)


def find_by_email(address: str, manager: Manager | None = None) -> BaseUser | None:
    """Return the active user with an e-mail address; None if there is none, or more than one.

    Upper and lower case are the same. The Simple auth manager knows no addresses: there it is the user whose
    name is the address, or what stands before its `@`.

    Args:
        address: The address.
        manager: The auth manager; this API server's by default.

    Raises:
        AuthManagerUnsupportedError: The auth manager keeps no list of users.
    """
    manager = manager or find_auth_manager()
    kind, wanted = _get_kind(manager), address.lower()
    if kind == _SIMPLE:
        names = {wanted, wanted.partition("@")[0]}
        users = [user for name, user in _read_simple_users(manager).items() if name.lower() in names]
        return users[0] if len(users) == 1 else None
    if kind == _FAB:
        pattern = "".join(f"\\{char}" if char in "\\%_" else char for char in address)
        fab_users = _select_fab_users(lambda user: user.email.ilike(pattern, escape="\\"))
        ids = [fab_user.id for fab_user in fab_users if fab_user.email.lower() == wanted]
        return _find_fab_user(manager, ids[0]) if len(ids) == 1 else None
    raise _no_list(manager)


def _get_kind(manager: Manager) -> str:
    """Return which of the known auth managers it is or subclasses; an empty text for another one."""
    classes = [f"{base.__module__}.{base.__qualname__}" for base in type(manager).__mro__]
    return next((kind for kind in (_SIMPLE, _FAB) if kind in classes), "")


def _choose_restore(manager: Manager) -> Callable[[Manager, Linked], BaseUser | None]:
    return {_SIMPLE: _restore_simple, _FAB: _restore_fab}.get(_get_kind(manager), _restore_other)


def _restore_simple(manager: Manager, linked: Linked) -> BaseUser | None:
    """Return the user as it is configured now: its role may have changed since it was linked."""
    return _read_simple_users(manager).get(linked.account.user_id)


def _read_simple_users(manager: Manager) -> dict[str, BaseUser]:
    from airflow.configuration import conf

    raw_users: list[Any] = manager.get_users()  # type: ignore[attr-defined] # of the Simple auth manager
    # Airflow 3.1 returns dicts.
    users = [
        manager.deserialize_user({"sub": raw_user["username"], "role": raw_user["role"]})
        if isinstance(raw_user, dict)
        else raw_user
        for raw_user in raw_users
    ]
    if conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False):
        users.append(manager.deserialize_user({"sub": "Anonymous", "role": "ADMIN"}))
    return {user.get_id(): user for user in users}


def _restore_fab(manager: Manager, linked: Linked) -> BaseUser | None:
    sub = str(linked.account.user.get("sub", ""))
    if not (sub.isascii() and sub.isdigit() and sub == linked.account.user_id):
        return None
    # The name too: a database may give the number of a deleted user to a new one.
    name = linked.account.user_name
    ids = [
        fab_user.id
        for fab_user in _select_fab_users(lambda user: user.id == int(sub))
        if fab_user.username == name
    ]
    return _find_fab_user(manager, ids[0]) if len(ids) == 1 else None


class _FabUser(NamedTuple):
    id: int
    username: str
    email: str


def _select_fab_users(condition: Callable[[Any], Any]) -> list[_FabUser]:
    """Return the active users that a condition of FAB's model selects.

    The auth manager's own `deserialize_user` remembers a user for `[fab] cache_ttl`, one who was deactivated
    meanwhile too; the query does not.
    """
    from airflow.utils.session import create_session

    # Imported by name, since the provider is there only where its auth manager is used.
    User: Any = import_module("airflow.providers.fab.auth_manager.models").User  # noqa: N806 - a class
    with create_session() as session:
        wanted = session.query(User.id, User.username, User.email).filter(User.active.is_(True))
        return [_FabUser(row.id, row.username, row.email) for row in wanted.filter(condition(User))]


def _find_fab_user(manager: Manager, user_id: int) -> BaseUser | None:
    try:
        user: BaseUser = manager.deserialize_user({"sub": str(user_id)})
    except ValueError:  # Deleted or deactivated since it was queried.
        return None
    return user


def _restore_other(manager: Manager, linked: Linked) -> BaseUser | None:
    if datetime.now(UTC) - linked.linked_at > UNCHECKED:
        raise InactiveUserError(
            f"The link of {linked.account.user_name!r} must be at most {UNCHECKED.days} days old, since the "
            f"auth manager {get_manager_name(manager)} cannot be asked whether the user still exists. Next: "
            "link again."
        )
    try:
        user: BaseUser = manager.deserialize_user(dict(linked.account.user))
    except (ValueError, KeyError, TypeError):
        return None
    return user


def _make_plain_user(stored: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a serialised user that may be kept: JSON, and without credentials, which expire."""
    credentials = [key for key in stored if any(part in key.lower() for part in _CREDENTIALS)]
    if credentials:
        raise AuthManagerUnsupportedError(
            f"The auth manager {name} must restore a user without the user's session, and needs "
            f"{', '.join(sorted(credentials))}. Next: use the Simple or FAB auth manager, or answer on "
            "Airflow's page."
        )
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(stored)))
    except TypeError:
        raise AuthManagerUnsupportedError(
            f"The auth manager {name} must serialise a user as JSON, and does not. Next: use the Simple or "
            "FAB auth manager, or answer on Airflow's page."
        ) from None
    return plain


def _no_list(manager: Manager) -> AuthManagerUnsupportedError:
    return AuthManagerUnsupportedError(
        f"The auth manager must be Simple or FAB to find users by name or e-mail address, got "
        f"{get_manager_name(manager)}. Next: let people link themselves, and leave `people` and "
        "`email_domains` out of lark.yaml."
    )
