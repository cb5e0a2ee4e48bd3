"""Commands that people type in chats: each is stored once, decided once, and answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.callbacks.storable import without_zeros
from lark_provider.protocol.commands.message import CommandMessage, MentionedPerson
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import chat_commands
from lark_provider.storage.statements import insert, read_clock
from lark_provider.support.members import select_members

CommandState: TypeAlias = Literal["due", "decided", "running", "ended", "done"]
"""In this order: to be done; done and to be answered; answered and its run goes on; the end is to be
answered; over."""
_COLUMNS = chat_commands.c


@dataclass(frozen=True, slots=True)
class ClaimedCommand:
    """A command that this process works on for a while.

    Attributes:
        message: The message.
        state: The command's state, which says what is to be done with it.
        attempts: How often it was taken up, this time included.
        sent_ago: Seconds since it was sent, by the database's clock.
        changed_ago: Seconds since its state changed.
        text: What is to be answered in this state; empty where nothing is.
        dag_id: The DAG of the run that the command started; None if it started none.
        run_id: The id of that run; None if it started none.
    """

    message: CommandMessage
    state: CommandState
    attempts: int
    sent_ago: float
    changed_ago: float
    text: str = ""
    dag_id: str | None = None
    run_id: str | None = None

    @property
    def log_fields(self) -> dict[str, Any]:
        """Return the log fields of the command."""
        return {
            "app_id": self.message.app_id,
            "message_id": self.message.message_id,
            "attempts": self.attempts,
        }


def record(connection: Connection, messages: Collection[CommandMessage]) -> int:
    """Record commands in a transaction, each once by app and message, and return how many are new.

    Args:
        connection: The transaction.
        messages: The commands; at least one.
    """
    now = read_clock(connection).now
    rows = [
        {
            "app_id": message.app_id,
            "message_id": message.message_id,
            "tenant_key": message.tenant_key,
            "open_id": message.open_id,
            "chat_id": message.chat_id,
            "is_direct": message.is_direct,
            "text": message.text.replace("\x00", "\N{REPLACEMENT CHARACTER}"),
            "mentions": without_zeros(
                orjson.dumps([asdict(mention) for mention in message.mentions])
            ).decode(),
            "state": "due",
            "attempts": 0,
            "sent_at": message.sent_at,
            "next_at": now,
            "created_at": now,
            "updated_at": now,
        }
        # Sorted against deadlocks.
        for message in sorted(messages, key=lambda command: (command.app_id, command.message_id))
    ]
    added = insert(connection, chat_commands).on_conflict_do_nothing().returning(_COLUMNS.message_id)
    return len(connection.execute(added, rows).all())


class ChatCommands:
    """The commands in one database. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def claim(self, states: Iterable[CommandState], limit: int, seconds: float) -> list[ClaimedCommand]:
        """Take commands that are to be worked on now, oldest first.

        Args:
            states: The states to look for.
            limit: How many commands to take at most.
            seconds: How long no other process takes them, in seconds.
        """
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            query = (
                sa.select(chat_commands)
                .where(_COLUMNS.state.in_(tuple(states)), _COLUMNS.next_at <= now)
                .order_by(_COLUMNS.next_at)
                .limit(limit)
            )
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            for row in rows:
                connection.execute(
                    chat_commands.update()
                    .where(_is_command(row.app_id, row.message_id))
                    .values(next_at=now + timedelta(seconds=seconds), attempts=row.attempts + 1)
                )
        return [_read_claim(row, now) for row in rows]

    def decide(
        self,
        claimed: ClaimedCommand,
        outcome: str,
        text: str,
        *,
        dag_id: str | None = None,
        run_id: str | None = None,
    ) -> bool:
        """Record the outcome of a command, unless that is recorded already; return whether it was now.

        Args:
            claimed: The command.
            outcome: The outcome in one word, such as `helped`.
            text: The text to answer with; empty for none, which ends the command.
            dag_id: The DAG of the run that the command started, whose end is to be answered as well; None if
                it started none.
            run_id: The id of that run; None if it started none.
        """
        state: CommandState = "decided" if text else "done"
        return self._move(
            claimed, ("due",), state, outcome=outcome, answer=_dump(text), dag_id=dag_id, run_id=run_id
        )

    def record_answered(self, claimed: ClaimedCommand, problem: str | None = None) -> bool:
        """Record that a command was answered: it goes on while its run does, else it is over.

        Args:
            claimed: The command.
            problem: Why it could not be answered and never will be; None if it was.
        """
        waits = claimed.state == "decided" and claimed.run_id is not None
        recorded = {} if problem is None else {"answer": _dump(claimed.text, problem=problem)}
        return self._move(claimed, (claimed.state,), "running" if waits else "done", **recorded)

    def record_ended(self, claimed: ClaimedCommand, text: str) -> bool:
        """Record that the run of a command has ended.

        Args:
            claimed: The command.
            text: What is to be answered; empty for nothing, which ends it.
        """
        return self._move(claimed, ("running",), "ended" if text else "done", answer=_dump(text))

    def postpone(self, claimed: ClaimedCommand, seconds: float) -> None:
        """Put off what is to be done next with a command, unless its state has changed meanwhile.

        Args:
            claimed: The command.
            seconds: How long to put it off, in seconds.
        """
        message = claimed.message
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            connection.execute(
                chat_commands.update()
                .where(_is_command(message.app_id, message.message_id), _COLUMNS.state == claimed.state)
                .values(next_at=now + timedelta(seconds=seconds))
            )

    def count_by_state(self) -> dict[str, int]:
        """Return how many commands there are that are not over, by state."""
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = (
                sa.select(_COLUMNS.state, sa.func.count())
                .where(_COLUMNS.state != "done")
                .group_by(_COLUMNS.state)
            )
            return {state: int(count) for state, count in connection.execute(query)}

    def _move(
        self, claimed: ClaimedCommand, before: tuple[CommandState, ...], after: CommandState, **values: Any
    ) -> bool:
        message = claimed.message
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            moved = connection.execute(
                chat_commands.update()
                .where(_is_command(message.app_id, message.message_id), _COLUMNS.state.in_(before))
                .values(state=after, attempts=0, next_at=now, updated_at=now, **values)
            )
            return bool(moved.rowcount)


def _is_command(app_id: str, message_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(_COLUMNS.app_id == app_id, _COLUMNS.message_id == message_id)


def _dump(text: str, **more: str) -> str:
    return orjson.dumps({"text": text, **more}).decode()


def _read_claim(row: sa.Row[Any], now: Any) -> ClaimedCommand:
    message = CommandMessage(
        app_id=row.app_id,
        message_id=row.message_id,
        tenant_key=row.tenant_key,
        open_id=row.open_id,
        chat_id=row.chat_id,
        is_direct=row.is_direct,
        text=row.text,
        mentions=tuple(
            MentionedPerson(**select_members(mention, MentionedPerson))
            for mention in orjson.loads(row.mentions)
        ),
        sent_at=row.sent_at,
    )
    return ClaimedCommand(
        message,
        row.state,
        row.attempts + 1,
        (now - row.sent_at).total_seconds(),
        (now - row.updated_at).total_seconds(),
        orjson.loads(row.answer)["text"] if row.answer else "",
        row.dag_id,
        row.run_id,
    )
