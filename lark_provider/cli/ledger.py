"""`lark-provider ledger …`: loads and keyed messages that the database has recorded."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from sqlalchemy.engine import URL

from lark_provider import config
from lark_provider.cli.arguments import add_group
from lark_provider.cli.output import format_line, print_json, render_table
from lark_provider.errors import ConfigurationError
from lark_provider.storage import ledger_admin, urls
from lark_provider.storage.ledger_admin import SHORT, ChunkSummary, Summary

_WHICH = (
    "The ledger is in the database of LARK_DATABASE_URL, else of POSTGRES_HOST and so on. It records each "
    "chunk of a load, and each message with a key, so that a retry writes nothing twice."
)
_KINDS, _STATES = ("load", "message", "sheet", "file"), ("pending", "done", "refused")
_NAME = 48
_DIGITS = 9
"""The most digits of a limit; more do not fit into the numbers of all databases."""


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = add_group(commands, "ledger", "loads and messages that were recorded", _WHICH)
    listing = _add_action(group, "list", run_list, "list the newest loads and messages")
    listing.add_argument("--kind", choices=_KINDS, help="only these")
    listing.add_argument("--state", choices=_STATES, help="only those in this state")
    listing.add_argument("--limit", type=_parse_count, default=50, help="at most so many (default: 50)")
    show = _add_action(group, "show", run_show, "show one of them, with its chunks")
    show.add_argument("id", help="its id, or how that begins")
    for parser in (listing, show):
        parser.add_argument("--json", action="store_true", help="print JSON")
    forget = _add_action(
        group,
        "forget",
        run_forget,
        "delete one of them from the ledger",
        "What it wrote stays; called again with the same key, it writes everything again. ",
    )
    forget.add_argument("id", help="its id, or how that begins")


def _add_action(group: Any, name: str, run: Any, text: str, more: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}{_WHICH}"
    )
    parser.set_defaults(run=run)
    return parser


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) > 0):
        raise argparse.ArgumentTypeError(
            f"must be a whole number above 0, of at most {_DIGITS} digits, got {text!r}"
        )
    return int(text)


def run_list(arguments: argparse.Namespace) -> int:
    """List the newest entries."""
    summaries = ledger_admin.list_entries(
        _get_url(), kind=arguments.kind, state=arguments.state, limit=arguments.limit
    )
    if arguments.json:
        print_json([asdict(summary) for summary in summaries])
        return 0
    if not summaries:
        print("Nothing is recorded.")
        return 0
    head = ("id", "kind", "state", "rows", "uncertain", "refused", "updated (UTC)", "key")
    print(render_table(head, [_make_row(summary) for summary in summaries]))
    return 0


def _make_row(summary: Summary) -> tuple[str, ...]:
    name = format_line(summary.name)
    return (
        summary.id[:SHORT],
        summary.kind,
        summary.state,
        str(summary.written) if summary.kind in ledger_admin.CHUNKED else "",
        str(summary.uncertain),
        str(summary.refused),
        f"{summary.updated_at:%Y-%m-%d %H:%M:%S}",
        name if len(name) <= _NAME else f"…{name[1 - _NAME :]}",
    )


def run_show(arguments: argparse.Namespace) -> int:
    """Show one entry."""
    summary, chunks = ledger_admin.find_entry(_get_url(), arguments.id)
    if arguments.json:
        print_json({**asdict(summary), "chunks": [asdict(chunk) for chunk in chunks]})
        return 0
    for name, value in asdict(summary).items():
        if value not in ("", {}):
            print(f"{name}: {format_line(str(value))}")
    if chunks:
        head = ("chunk", "rows", "state", "tokens", "first sent (UTC)", "reason")
        print(render_table(head, [_make_chunk_row(chunk) for chunk in chunks]))
    return 0


def _make_chunk_row(chunk: ChunkSummary) -> tuple[str, ...]:
    rows = f"{chunk.first_row} to {chunk.first_row + chunk.row_count - 1}"
    sent = f"{chunk.sent_at:%Y-%m-%d %H:%M:%S}"
    number = f"{chunk.number}/{chunk.part}" if chunk.part else str(chunk.number)
    return number, rows, chunk.state, str(chunk.sends), sent, format_line(chunk.reason or "")


def run_forget(arguments: argparse.Namespace) -> int:
    """Delete one entry."""
    summary = ledger_admin.forget(_get_url(), arguments.id)
    what = (
        f"{summary.written} row(s) that it wrote stay"
        if summary.kind in ledger_admin.CHUNKED
        else "what it sent stays"
    )
    print(f"Forgot {summary.kind} {summary.id[:SHORT]}; {what}.")
    return 0


def _get_url() -> URL:
    if not config.has_database():
        raise ConfigurationError(
            "No database is configured, so that nothing is recorded. Next: set LARK_DATABASE_URL, or "
            "POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB."
        )
    return urls.database()
