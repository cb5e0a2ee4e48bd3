"""Who in Lark is which user of Airflow.

A link lets a click in Lark act with a user's rights in Airflow. The serialised user is therefore encrypted
under the operator's keys and bound to every other column that says whose link it is: a row that another
program wrote, moved to another person or gave another user does not open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Row

from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import link_codes, people
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys
from lark_provider.storage.errors import AlteredError, DecryptionError
from lark_provider.storage.statements import insert, make_among_condition, read_clock

_CONTEXT = "lark_provider person"
_LOST = "let the person link again"


@dataclass(frozen=True, slots=True)
class Person:
    """A person in Lark, as one app knows them.

    Attributes:
        app_id: The app, `cli_…`.
        tenant_key: The app's tenant, which must also be the person's.
        open_id: The person, `ou_…`.
    """

    app_id: str
    tenant_key: str
    open_id: str


@dataclass(frozen=True, slots=True)
class Account:
    """A user of Airflow.

    Attributes:
        auth_manager: The class of the auth manager, e.g. `airflow.….SimpleAuthManager`.
        user_id: Airflow's id, as in `assigned_users`: the name with Simple, a number with FAB.
        user_name: The name.
        user: What the auth manager's `serialize_user` returned; empty where it was not read.
    """

    auth_manager: str
    user_id: str
    user_name: str
    user: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Linked:
    """A person who is linked to a user of Airflow.

    Attributes:
        person: Who it is in Lark.
        account: Who it is in Airflow.
        linked_at: When the person confirmed it.
        is_revoked: Whether it no longer counts; only listings contain such links.
    """

    person: Person
    account: Account
    linked_at: datetime
    is_revoked: bool = False


Unreadable: TypeAlias = tuple[Linked, DecryptionError]
"""A link whose user cannot be decrypted, and why not."""


class People:
    """The links in one database. Safe with threads.

    All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        keys: The operator's keys; None to read them from the environment when the first user is encrypted or
            decrypted.

    Attributes:
        url: The database.
    """

    def __init__(self, url: URL, keys: EncryptionKeys | None = None) -> None:
        self.url, self._passed_keys = url, keys

    @cached_property
    def _keys(self) -> EncryptionKeys:
        return self._passed_keys or EncryptionKeys.from_environment()

    def find(self, app_id: str, tenant_key: str, open_id: str) -> Linked | None:
        """Return a person's link with the user, decrypted; None if there is none or it was revoked.

        Args:
            app_id: The app.
            tenant_key: The tenant.
            open_id: The person.

        Raises:
            ConfigurationError: `LARK_CONFIG_ENCRYPTION_KEY` is not set.
            DecryptionError: The row was not written for this person and user by this package, or under
                another key.
        """
        wanted = sa.select(people).where(_is_row_of(people, Person(app_id, tenant_key, open_id)))
        with migrate.open_transaction(self.url, reading=True) as connection:
            row = connection.execute(wanted.where(people.c.state == "linked")).one_or_none()
        return None if row is None else self._open(row)

    def by_user(self, app_id: str, user_ids: Iterable[str]) -> dict[str, list[Linked]]:
        """Return who is linked to users, in one query, without decrypting anything.

        It serves to address people, and not to act for them: the rows are not verified.

        Args:
            app_id: The app whose open_ids are wanted.
            user_ids: Airflow's ids, as in `assigned_users`.

        Returns:
            The links of each user that has any, the newest first.
        """
        links: dict[str, list[Linked]] = {}
        with migrate.open_transaction(self.url, reading=True) as connection:
            wanted = sa.select(people).where(people.c.app_id == app_id, people.c.state == "linked")
            wanted = wanted.where(make_among_condition(connection, people.c.user_id, user_ids))
            for row in connection.execute(wanted.order_by(people.c.linked_at.desc(), people.c.open_id)):
                links.setdefault(row.user_id, []).append(_read_linked(row))
        return links

    def list_links(self, *, revoked: bool = False) -> list[Linked]:
        """Return all links without the serialised users, by user name.

        Args:
            revoked: Whether to add those that were revoked.
        """
        wanted = sa.select(people).order_by(people.c.user_name, people.c.app_id, people.c.open_id)
        if not revoked:
            wanted = wanted.where(people.c.state == "linked")
        with migrate.open_transaction(self.url, reading=True) as connection:
            return [_read_linked(row) for row in connection.execute(wanted)]

    def link_person(self, person: Person, account: Account) -> Linked:
        """Link a person; a link that exists is replaced.

        Args:
            person: Who it is in Lark.
            account: Who it is in Airflow, with the serialised user.
        """
        with migrate.open_transaction(self.url) as connection:
            return self.link_in(connection, person, account)

    def revoke(self, open_id: str, *, app_id: str | None = None) -> list[Linked]:
        """Revoke a person's links, and forget the users in them. Open codes of the person end as well.

        Args:
            open_id: The person's open_id.
            app_id: The app whose links are revoked; None for those of all apps.

        Returns:
            The links that were revoked.
        """
        with migrate.open_transaction(self.url) as connection:
            now = read_clock(connection).now
            link_conditions = [people.c.open_id == open_id, people.c.state == "linked"]
            code_conditions = [link_codes.c.open_id == open_id, link_codes.c.used_at.is_(None)]
            if app_id is not None:
                link_conditions.append(people.c.app_id == app_id)
                code_conditions.append(link_codes.c.app_id == app_id)
            # First, as whoever links uses a code first: a link that is being made is waited for and revoked.
            connection.execute(sa.delete(link_codes).where(*code_conditions))
            rows = connection.execute(_lock(sa.select(people).where(*link_conditions))).all()
            # Without the sealed user, a row whose state is set back by hand does not open.
            changed = {"state": "revoked", "airflow_user": "", "updated_at": now}
            connection.execute(sa.update(people).where(*link_conditions).values(changed))
        return [replace(_read_linked(row), is_revoked=True) for row in rows]

    def reseal(self) -> tuple[list[Linked], list[Unreadable]]:
        """Encrypt all users under the newest key, in one transaction. What does not open stays as it is.

        Returns:
            The links whose users were encrypted again, and those whose users cannot be decrypted.

        Raises:
            ConfigurationError: `LARK_CONFIG_ENCRYPTION_KEY` is not set, and there are links.
        """
        with migrate.open_transaction(self.url) as connection:
            rows = connection.execute(_lock(sa.select(people).where(people.c.state == "linked"))).all()
            opened, unreadable = self._open_all(rows)
            for linked in opened:
                changed = {"airflow_user": self._seal(linked.person, linked.account)}
                connection.execute(sa.update(people).where(_is_row_of(people, linked.person)).values(changed))
        return opened, unreadable

    def find_unreadable(self) -> tuple[int, list[Unreadable]]:
        """Return how many people are linked, and the links whose users cannot be decrypted.

        Raises:
            ConfigurationError: `LARK_CONFIG_ENCRYPTION_KEY` is not set, and there are links.
        """
        with migrate.open_transaction(self.url, reading=True) as connection:
            rows = connection.execute(sa.select(people).where(people.c.state == "linked")).all()
        return len(rows), self._open_all(rows)[1]

    def link_in(self, connection: Connection, person: Person, account: Account) -> Linked:
        """Link a person in a transaction; see `link_person`.

        Args:
            connection: The transaction.
            person: Who it is in Lark.
            account: Who it is in Airflow, with the serialised user.
        """
        now = read_clock(connection).now
        changed = {
            "auth_manager": account.auth_manager,
            "user_id": account.user_id,
            "user_name": account.user_name,
            "airflow_user": self._seal(person, account),
            "state": "linked",
            "linked_at": now,
            "updated_at": now,
        }
        key = {"app_id": person.app_id, "tenant_key": person.tenant_key, "open_id": person.open_id}
        added = insert(connection, people).values(**key, **changed)
        connection.execute(added.on_conflict_do_update(index_elements=list(key), set_=changed))
        return Linked(person, account, now)

    def _seal(self, person: Person, account: Account) -> str:
        return self._keys.seal(orjson.dumps(dict(account.user)).decode(), _make_place(person, account))

    def _open_all(self, rows: Iterable[Row[Any]]) -> tuple[list[Linked], list[Unreadable]]:
        """Return the links with their users, and those whose users cannot be decrypted."""
        opened, unreadable = list[Linked](), list[Unreadable]()
        for row in rows:
            try:
                opened.append(self._open(row))
            except DecryptionError as error:
                unreadable.append((_read_linked(row), error))
        return opened, unreadable

    def _open(self, row: Row[Any]) -> Linked:
        linked = _read_linked(row)
        who = f"The link of {linked.person.open_id!r} (app {linked.person.app_id!r})"
        altered = (
            f"{who} is not as it was recorded: the person or the Airflow user was changed by something other "
            f"than this package. Next: find out who can write to the table people; then {_LOST}."
        )
        place = _make_place(linked.person, linked.account)
        user = orjson.loads(self._keys.unseal(row.airflow_user, place, who, altered, lost=_LOST))
        if not isinstance(user, dict):
            raise AlteredError(altered)
        return replace(linked, account=replace(linked.account, user=user))


def _is_row_of(table: sa.Table, person: Person) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.app_id == person.app_id,
        table.c.tenant_key == person.tenant_key,
        table.c.open_id == person.open_id,
    )


def _lock(wanted: sa.Select[Any]) -> sa.Select[Any]:
    """Lock rows of `people` in one order, so that no two transactions wait for each other."""
    return wanted.order_by(people.c.app_id, people.c.tenant_key, people.c.open_id).with_for_update()


def make_unreadable_error(links: Sequence[Unreadable]) -> DecryptionError:
    """Return the error for links whose users cannot be decrypted; one that was altered comes first.

    Args:
        links: The links, at least one.
    """
    for _, error in links:
        if isinstance(error, AlteredError):
            return error
    person = links[0][0].person
    return DecryptionError(
        f"The Airflow users of {len(links)} link(s) of people cannot be decrypted, such as that of "
        f"{person.open_id!r} (app {person.app_id!r}). Next: add the key that they were encrypted with to "
        f"{KEY_VARIABLE}, behind the new one; if it is lost, revoke these links with `lark-provider airflow "
        "people revoke`, and let the people link again."
    )


def read_person(row: Row[Any]) -> Person:
    """Return whose row it is.

    Args:
        row: A row of `people` or of `link_codes`.
    """
    return Person(row.app_id, row.tenant_key, row.open_id)


def _read_linked(row: Row[Any]) -> Linked:
    account = Account(row.auth_manager, row.user_id, row.user_name)
    return Linked(read_person(row), account, row.linked_at, is_revoked=row.state != "linked")


def _make_place(person: Person, account: Account) -> tuple[str, ...]:
    who = (person.app_id, person.tenant_key, person.open_id)
    return (_CONTEXT, *who, account.auth_manager, account.user_id, account.user_name)
