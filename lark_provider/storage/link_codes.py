"""One-time codes with which people link themselves to their user of Airflow."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import link_codes
from lark_provider.storage.people import Account, Linked, People, Person, read_person
from lark_provider.storage.statements import read_clock

CodeState: TypeAlias = Literal["valid", "used", "expired"]

CODE_MINUTES = 10
_CONTEXT = "lark_provider person"
_CODE_BYTES = 24
_MAX_CODE_LENGTH = 64
_KEPT = timedelta(days=1)
"""How long a code is kept after its end, so that the page can say why it is refused."""


@dataclass(frozen=True, slots=True)
class LinkCode:
    """Whose a code is, and whether it can still be used."""

    person: Person
    state: CodeState


class LinkCodes:
    """The codes in one database. Safe with threads. All methods raise StorageError if it cannot be used.

    Args:
        people: The links, in the same database.
    """

    def __init__(self, people: People) -> None:
        self._people = people

    def create(self, person: Person) -> str:
        """Return a new code with which a person can link themselves once, within ten minutes.

        Only its digest is stored. Codes that ended a day ago are deleted.

        Args:
            person: Who it is in Lark.
        """
        code = secrets.token_urlsafe(_CODE_BYTES)
        with migrate.open_transaction(self._people.url) as connection:
            now = read_clock(connection).now
            connection.execute(sa.delete(link_codes).where(link_codes.c.until < now - _KEPT))
            row = {
                "digest": _compute_digest(code),
                "app_id": person.app_id,
                "tenant_key": person.tenant_key,
                "open_id": person.open_id,
                "until": now + timedelta(minutes=CODE_MINUTES),
            }
            connection.execute(sa.insert(link_codes).values(row))
        return code

    def find(self, code: str) -> LinkCode | None:
        """Return whose a code is, and leave it usable; None if there is no such code.

        Args:
            code: What `create` returned, or anything.
        """
        if not _is_code(code):
            return None
        with migrate.open_transaction(self._people.url, reading=True) as connection:
            row = connection.execute(
                sa.select(link_codes).where(link_codes.c.digest == _compute_digest(code))
            ).one_or_none()
            now = read_clock(connection).now
        if row is None:
            return None
        state: CodeState = "used" if row.used_at else "valid" if row.until > now else "expired"
        return LinkCode(read_person(row), state)

    def link_person(self, code: str, account: Account) -> Linked | None:
        """Use a code and link its person, both or neither; None if it is unknown, used or expired.

        Args:
            code: What `create` returned.
            account: Who it is in Airflow, with the serialised user.
        """
        with migrate.open_transaction(self._people.url) as connection:
            person = _use_code(connection, code)
            return None if person is None else self._people.link_in(connection, person, account)


def _use_code(connection: Connection, code: str) -> Person | None:
    if not _is_code(code):
        return None
    now = read_clock(connection).now
    # One statement, so that of two uses at once only one finds the code unused.
    used = (
        sa.update(link_codes)
        .where(link_codes.c.digest == _compute_digest(code), link_codes.c.used_at.is_(None))
        .where(link_codes.c.until > now)
        .values(used_at=now)
        .returning(*link_codes.c)
    )
    row = connection.execute(used).one_or_none()
    return None if row is None else read_person(row)


def _is_code(code: str) -> bool:
    return 0 < len(code) <= _MAX_CODE_LENGTH and code.isascii()


def _compute_digest(code: str) -> str:
    return hashlib.sha256(f"{_CONTEXT}\0{code}".encode()).hexdigest()
