"""`lark-provider callbacks dead list|show|requeue|purge`: messages that no consumer could use."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lark_provider.cli.arguments import (
    WrongUseError,
    add_group,
    add_ids,
    add_json,
    parse_age,
    parse_row_count,
)
from lark_provider.cli.output import format_line, print_json, render_table
from lark_provider.cli.terminal import confirm
from lark_provider.errors import LarkError
from lark_provider.support import periods
from lark_provider.support.text import cut

if TYPE_CHECKING:
    from lark_provider.callbacks.broker.dead_letter import DeadLetter

_MAX_REASON_LENGTH = 100
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def add_to(group: Any) -> None:
    """Add the command group to the actions of `callbacks`."""
    dead = add_group(
        group,
        "dead",
        "look at dead letters, requeue them, or purge them",
        "Clicks and events that no consumer could use wait in the queue lark.events.dead of RabbitMQ "
        "(RABBITMQ_URL or RABBITMQ_HOST, …), with the reason. While one of these commands looks at them, "
        "another one does not see them; when it ends or is killed, they are back in their order.",
    )
    _add_list(dead)
    _add_show(dead)
    _add_requeue(dead)
    _add_purge(dead)


def _add_list(dead: Any) -> None:
    command = dead.add_parser("list", help="list dead letters, the oldest first; none is consumed")
    command.add_argument(
        "--limit",
        type=parse_row_count,
        default=100,
        metavar="N",
        help="how many at most (default: %(default)s)",
    )
    add_json(command, run_list)


def _add_show(dead: Any) -> None:
    command = dead.add_parser("show", help="show one, with its payload")
    command.add_argument("id", metavar="ID", help="as `list` shows it")
    command.add_argument(
        "--reveal", action="store_true", help="also show who did it, what was entered, and tokens"
    )
    add_json(command, run_show)


def _add_requeue(dead: Any) -> None:
    command = dead.add_parser(
        "requeue",
        help="publish them again to the queues that they came from",
        description="Publish dead letters again to the queues that they came from. Each is removed when "
        "RabbitMQ has confirmed the copy: a kill in between leaves both, which pumps and consumers "
        "deduplicate by the event id.",
    )
    add_ids(command, "all that are there now")
    add_json(command, run_requeue)


def _add_purge(dead: Any) -> None:
    command = dead.add_parser("purge", help="delete them, once confirmed")
    which = add_ids(command, "all that are there now")
    which.add_argument(
        "--older-than", type=parse_age, metavar="AGE", help="those dead-lettered longer ago: 90m, 12h, 30d"
    )
    command.add_argument("--yes", action="store_true", help="do not ask")
    add_json(command, run_purge)


def run_list(arguments: argparse.Namespace) -> int:
    """Print dead letters."""
    from lark_provider.callbacks.broker import amqp, dead_letters

    letters, total = dead_letters.find(amqp.read_broker(), arguments.limit)
    if arguments.json:
        print_json({"total": total, "dead_letters": [_make_fields(letter) for letter in letters]})
        return 0
    if not letters:
        print("There are no dead letters.")
        return 0
    head = ("ID", "App", "Kind", "Age", "Reason")
    print(render_table(head, [_make_row(letter) for letter in letters]))
    if len(letters) < total:
        print(f"{len(letters)} of {total}; --limit shows more.")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print one dead letter."""
    from lark_provider.callbacks.broker import amqp, dead_letters

    letters, _ = dead_letters.find(amqp.read_broker(), 1, lambda letter: letter.id == arguments.id)
    if not letters:
        raise _make_unknown_error([arguments.id])
    letter = letters[0]
    payload = letter.decode_payload(is_revealed=arguments.reveal)
    if arguments.json:
        print_json({**_make_fields(letter), "payload": payload})
        return 0
    fields = _make_fields(letter)
    for name, value in fields.items():
        label = name.replace("_", " ").capitalize() + ":"
        print(f"{label:<18} {format_line('unknown' if value is None else str(value))}")
    if not arguments.reveal:
        print("Payload, masked; --reveal shows all of it:")
    print_json(payload)
    return 0


def run_requeue(arguments: argparse.Namespace) -> int:
    """Requeue dead letters."""
    from lark_provider.callbacks.broker import amqp, dead_letters

    broker, wanted, done = amqp.read_broker(), _Wanted(arguments), list[str]()
    stay: list[DeadLetter] = []
    try:
        stay = dead_letters.requeue(broker, wanted, lambda letter: done.append(letter.id))
    finally:  # Also if RabbitMQ became unavailable in the middle.
        impossible = [letter.id for letter in stay]
        missing = wanted.list_missing()
        if arguments.json:
            print_json({"requeued": done, "missing": missing, "impossible": impossible})
        else:
            print(f"Requeued: {len(done)}.")
    if impossible:
        raise LarkError(
            f"{len(impossible)} dead letter(s) do not say where they came from: "
            f"{_join_first(impossible)}. Next: see `lark-provider callbacks dead show`, and purge them."
        )
    if missing:
        raise _make_unknown_error(missing)
    return 0


def run_purge(arguments: argparse.Namespace) -> int:
    """Delete dead letters, once confirmed."""
    from lark_provider.callbacks.broker import amqp, dead_letters

    broker, wanted, done = amqp.read_broker(), _Wanted(arguments), list[str]()
    if not arguments.yes and not _is_confirmed(arguments):
        print("Nothing is purged.")
        return 1
    try:
        dead_letters.purge(broker, wanted, lambda letter: done.append(letter.id))
    finally:
        missing = wanted.list_missing()
        if arguments.json:
            print_json({"purged": done, "missing": missing})
        else:
            print(f"Purged: {len(done)}.")
    if missing:
        raise _make_unknown_error(missing)
    return 0


class _Wanted:
    """Which dead letters the arguments name.

    Args:
        arguments: With `ids`, `all` and perhaps `older_than`.

    Raises:
        WrongUseError: They name none.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        older = getattr(arguments, "older_than", None)
        if not (arguments.ids or arguments.all or older is not None):
            raise WrongUseError("Dead letters must be named, got none. Next: pass their ids, or --all.")
        self._ids = dict.fromkeys(arguments.ids, False)
        self._before = None if older is None else datetime.now(UTC) - older
        self._is_all = arguments.all

    def __call__(self, letter: DeadLetter) -> bool:
        if self._is_all:
            return True
        if self._before is not None:
            return letter.at is not None and letter.at < self._before
        if letter.id not in self._ids:
            return False
        self._ids[letter.id] = True
        return True

    def list_missing(self) -> list[str]:
        """Return the ids that were not found."""
        return [name for name, is_found in self._ids.items() if not is_found]


def _is_confirmed(arguments: argparse.Namespace) -> bool:
    which = f"{len(arguments.ids)} dead letter(s)"
    if arguments.all:
        which = "all dead letters"
    elif arguments.older_than is not None:
        which = f"all dead letters older than {periods.format_period(arguments.older_than)}"
    return confirm(f"Purge {which}? They cannot be restored.")


def _make_unknown_error(ids: Sequence[str]) -> LarkError:
    return LarkError(
        f"{len(ids)} id(s) are not in the dead-letter queue: {_join_first(ids)}. Next: see "
        "`lark-provider callbacks dead list`; another command may be looking at them just now."
    )


def _join_first(ids: Sequence[str]) -> str:
    shown = ", ".join(map(repr, ids[:3]))
    return f"{shown}, …" if len(ids) > 3 else shown  # noqa: PLR2004 - enough to search for


def _make_fields(letter: DeadLetter) -> dict[str, Any]:
    """Return what is shown of a dead letter in addition to its payload."""
    return {
        "id": letter.id,
        "kind": letter.kind,
        "type": letter.type,
        "app_id": letter.app_id,
        "queue": letter.queue,
        "reason": letter.reason,
        "dead_lettered_at": None if letter.at is None else letter.at.isoformat(),
        "age_s": None if letter.at is None else max(0, int(_compute_age(letter.at).total_seconds())),
        "bytes": len(letter.delivered.body),
        "requeued": letter.requeued,
    }


def _make_row(letter: DeadLetter) -> list[str]:
    reason = cut(format_line(letter.reason), _MAX_REASON_LENGTH)
    shown = "?" if letter.at is None else _format_period(_compute_age(letter.at))
    return [letter.id, letter.app_id or "?", letter.type or letter.kind, shown, reason]


def _compute_age(at: datetime) -> timedelta:
    return datetime.now(UTC) - at


def _format_period(period: timedelta) -> str:
    """Write a period in its largest unit: `3d`, `5h`, `12m`, `40s`."""
    seconds = max(0, int(period.total_seconds()))
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size}{unit}"
