"""The ledger of what is made once for a key: messages, and files such as spreadsheets.

The content of a message is not stored. The row is found by a digest, and holds the caller's key, in which
e-mail addresses and mobile numbers are masked, and the ids that Lark answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.ledger_entry import LedgerEntry, LedgerState, make_ledger_id
from lark_provider.protocol.redact import mask_addresses
from lark_provider.protocol.tokens import App
from lark_provider.storage import forgotten, migrate, statements
from lark_provider.storage.tables import ledger


class MessageLedger:
    """The messages or files of one app in one database; implements `protocol.store.Messages`.

    All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        app: The app; the same keys of two apps are two messages.
        kind: `message` or `file`.
    """

    def __init__(self, url: URL, app: App, kind: str = "message") -> None:
        self._url, self._app, self._kind = url, app, kind

    def begin(self, receiver: str, key: str, token: str) -> LedgerEntry:
        """Return a message, which is recorded as pending if it is new.

        Args:
            receiver: To whom it goes; of a file, the folder.
            key: The caller's key.
            token: The `uuid` that it is to be sent with, if it is new; of a file, what its first title ends
                with.
        """
        columns, identity = ledger.c, make_ledger_id(self._app.name, self._kind, receiver, key)
        with migrate.open_transaction(self._url) as connection:
            now, record = connection.execute(
                sa.select(statements.make_clock_column(connection), forgotten.record(identity))
            ).one()
            token = forgotten.choose_token(token, record)
            added = statements.insert(connection, ledger).values(
                id=identity,
                kind=self._kind,
                app_id=self._app.app_id,
                name=mask_addresses(key),
                target="",
                state=LedgerState.PENDING,
                token=token,
                sent_at=now,
                created_at=now,
                updated_at=now,
            )
            new = connection.execute(
                added.on_conflict_do_nothing(index_elements=[columns.id]).returning(columns.id)
            ).one_or_none()
            if new is not None:
                return LedgerEntry(identity, LedgerState.PENDING, token, {}, 0.0, is_new=True, updated_at=now)
            # Another attempt may be sending it now: it sees by the time that this one does so too.
            kept = (columns.state, columns.token, columns.result, columns.sent_at, columns.updated_at)
            row = connection.execute(
                ledger.update()
                .where(columns.id == identity, columns.state == LedgerState.PENDING)
                .values(updated_at=now)
                .returning(*kept)
            ).one_or_none()
            if row is None:
                row = connection.execute(sa.select(*kept).where(columns.id == identity)).one()
        result = {} if row.result is None else orjson.loads(row.result)
        age = (now - row.sent_at).total_seconds()
        state = LedgerState(row.state)
        return LedgerEntry(identity, state, row.token, result, age, is_new=False, updated_at=row.updated_at)

    def resend(self, entry: LedgerEntry, token: str) -> LedgerEntry:
        """Record that a message is sent under another token, or for the first time after a refusal.

        Args:
            entry: The message.
            token: The `uuid` that it is sent with.

        Returns:
            The message as it is recorded now; new unless another attempt has recorded this token before. One
            that another attempt has finished meanwhile stays done.
        """
        columns = ledger.c
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            is_pending = (columns.id == entry.id, columns.state != LedgerState.DONE)
            before = connection.execute(
                sa.select(columns.state, columns.token, columns.result)
                .where(columns.id == entry.id)
                .with_for_update()
            ).one_or_none()
            if before is not None and before.state == LedgerState.DONE:
                result = orjson.loads(before.result)
                return replace(entry, state=LedgerState.DONE, token=before.token, result=result, is_new=False)
            connection.execute(
                ledger.update()
                .where(*is_pending)
                .values(state=LedgerState.PENDING, token=token, sent_at=now, updated_at=now)
            )
        return replace(
            entry,
            state=LedgerState.PENDING,
            token=token,
            age=0.0,
            is_new=before is not None and before.token != token,
            updated_at=now,
        )

    def mark_done(self, entry: LedgerEntry, result: Mapping[str, Any]) -> bool:
        """Record that a message is sent, or a file made.

        Args:
            entry: The message.
            result: What Lark answered: ids, and no content.

        Returns:
            Whether this has recorded it, and no other process before.
        """
        return self._change(entry, state=LedgerState.DONE, result=orjson.dumps(dict(result)).decode())

    def refuse(self, entry: LedgerEntry) -> None:
        """Record that nothing was sent, unless another attempt has tried meanwhile, whose outcome may differ.

        Args:
            entry: The message, as this attempt has recorded that it sends it.
        """
        self._change(entry, ledger.c.updated_at == entry.updated_at, state=LedgerState.REFUSED)

    def _change(self, entry: LedgerEntry, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
        columns = ledger.c
        with migrate.open_transaction(self._url) as connection:
            changed = connection.execute(
                ledger.update()
                .where(columns.id == entry.id, columns.state != LedgerState.DONE, *conditions)
                .values(**values, updated_at=statements.read_clock(connection).now)
            )
            return changed.rowcount == 1
