"""`lark-provider bitable import`: write a file into a table, by key or as it is."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from lark_provider import config
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.rejects import Reject, count_rows, parse_row_numbers, to_csv
from lark_provider.api.clouddoc.sync.plan import SyncPlan, SyncResult
from lark_provider.cli import infer, output, wording
from lark_provider.cli.arguments import WrongUseError
from lark_provider.cli.bitable_plan import print_plan
from lark_provider.cli.progress import Bar
from lark_provider.client import LarkServiceClient
from lark_provider.errors import LarkError
from lark_provider.files import cells, reading, writing
from lark_provider.files.formats import CSV, get_kind
from lark_provider.storage import ledger_admin, urls

_SHOWN = 20


class _Inserted(NamedTuple):
    """The result of `--mode insert`."""

    written: int
    replayed: int
    rejects: Sequence[Reject]

    def summary(self) -> dict[str, int]:
        """Return the counts as JSON."""
        rejected = count_rows(self.rejects)
        return {"written": self.written, "replayed": self.replayed, "rejected": rejected}

    def __str__(self) -> str:
        """Return the counts in one line."""
        return ", ".join(f"{count} {name}" for name, count in self.summary().items() if count) or (
            "nothing to do"
        )


def run(arguments: argparse.Namespace) -> int:
    """Write a file into a table, or print what would change."""
    _check(arguments)
    retried = None
    if arguments.retry_rejects:
        retried = parse_row_numbers(
            reading.read_ascii_text(reading.make_local_source(arguments.retry_rejects))
        )
    write = _insert if arguments.mode == "insert" else _sync
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client:
        table: AbstractContextManager[str | None] = nullcontext()
        if arguments.create_table:
            fields = _infer_fields(arguments)
            if arguments.dry_run:
                _print_fields(fields, as_json=arguments.json)
                return 0
            table = _new_table(client, arguments, fields)
        with table as table_id, Bar() as bar:
            result = write(client, table_id, arguments, retried, bar)
    rejects = [
        replace(reject, reason=wording.in_options(reject.reason, arguments.words))
        for reject in result.rejects
    ]
    # The list of an earlier import is replaced even if no row was rejected now. A dry run leaves it, since it
    # does not find all rejects.
    is_stale = not arguments.dry_run and bool(arguments.rejects) and Path(arguments.rejects).is_file()
    if arguments.rejects and (rejects or is_stale):
        Path(arguments.rejects).write_text(to_csv(rejects), encoding="utf-8", newline="")
    if isinstance(result, SyncPlan):
        print_plan(result, as_json=arguments.json)
    elif arguments.json:
        output.print_json(result.summary())
    else:
        print(str(result))
    for reject in rejects[:_SHOWN]:
        print(f"rejected: {reject}", file=sys.stderr)
    return 0


def _infer_fields(arguments: argparse.Namespace) -> list[Field]:
    rows = reading.read(reading.make_local_source(arguments.file), arguments.encoding, arguments.key)
    fields = infer.infer_fields(
        rows,
        arguments.key,
        has_zone=arguments.zone is not None,
        skips_bad_rows=arguments.skip_bad_rows,
    )
    for field in fields:
        name = field["field_name"]
        if name != name.strip():
            raise WrongUseError(
                f"The name of a column must not begin or end with a space, got {name!r}: Lark leaves it out, "
                "so that no row fits. Next: correct the first line of the file."
            )
    return fields


@contextmanager
def _new_table(
    client: LarkServiceClient, arguments: argparse.Namespace, fields: Sequence[Field]
) -> Iterator[str]:
    """Create the table, and say how to continue if the rows cannot be written into it."""
    response = client.clouddoc.bitable.create_table(arguments.url, arguments.create_table, fields)
    table_id: str = response.data["table_id"]
    print(f"Created table {arguments.create_table!r} ({table_id}).", file=sys.stderr)
    try:
        yield table_id
    except LarkError:
        print(
            f"Table {arguments.create_table!r} ({table_id}) stays. To go on, import into that table, "
            "by its link and without --create-table.",
            file=sys.stderr,
        )
        raise


def _check(arguments: argparse.Namespace) -> None:
    """Check what the parser cannot check."""
    get_kind(arguments.file)
    is_insert = arguments.mode == "insert"
    if not is_insert and not arguments.key:
        raise WrongUseError(
            "--key must be given, so that rows are recognized. Next: name the field, or the fields, that "
            "tell rows apart; --mode insert adds every row instead."
        )
    if arguments.rejects:
        _check_rejects(Path(arguments.rejects), arguments.file)
    if arguments.create_table and reading.make_local_source(arguments.file).is_pipe:
        raise WrongUseError(
            f"--create-table reads the file twice, and {arguments.file} is a pipe. Next: save it as a file."
        )
    if arguments.resume is not None and not arguments.resume.strip():
        raise WrongUseError(
            f"--resume must name a load, got {arguments.resume!r}. Next: pass the name that the interrupted "
            "run has printed."
        )
    if arguments.resume and not is_insert:
        raise WrongUseError(
            f"--resume continues --mode insert, got --mode {arguments.mode}. Next: leave it out; by key, "
            "each run writes only what is missing."
        )
    if arguments.resume and not config.has_database():
        raise WrongUseError(
            "--resume needs the database that recorded the load. Next: set LARK_DATABASE_URL as in the run "
            "that was interrupted."
        )
    if arguments.resume and not ledger_admin.has_entry(urls.database(), _load_key(arguments.resume), "load"):
        raise WrongUseError(
            f"--resume must name a load that the database knows, got {arguments.resume!r}, and a new one "
            "would write all rows. Next: see `lark-provider ledger list`; leave --resume out if nothing was "
            "written yet."
        )
    if arguments.dry_run and is_insert and not arguments.create_table:
        raise WrongUseError(
            "--dry-run shows a difference, and --mode insert adds every row. Next: leave one of them out."
        )
    if arguments.strict_options and is_insert:
        raise WrongUseError(
            "--strict-options compares with the table's options, and --mode insert does not read them. Next: "
            "leave one of them out."
        )
    if arguments.create_table and (arguments.resume or arguments.retry_rejects):
        raise WrongUseError(
            "--create-table makes a new table, and the rows to continue with are in another one. Next: leave "
            "it out, and pass the link of that table."
        )


def _check_rejects(path: Path, source: str) -> None:
    """Check, before any row is written, that the list of rejects can be: later it would be lost."""
    if not path.parent.is_dir():
        raise WrongUseError(
            f"--rejects must name a file in a folder that exists, got {path}. Next: make the folder, or name "
            "another one."
        )
    try:
        writing.touch(path)
    except OSError as error:
        raise WrongUseError(
            f"--rejects must name a file that can be written, got {path}: {error.strerror}. Next: name "
            "another one."
        ) from None
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise WrongUseError(
            f"--rejects must name another file than the one that is imported, got {path}. Next: name "
            "another one."
        )


def _sync(
    client: LarkServiceClient,
    table_id: str | None,
    arguments: argparse.Namespace,
    retried: frozenset[int] | None,
    bar: Bar,
) -> SyncResult:
    return client.clouddoc.bitable.sync(
        arguments.url,
        table_id,
        bar.track_rows(_read_rows(client, table_id, arguments)),
        key_fields=arguments.key,
        mode=arguments.mode,
        key_form=arguments.key_form,
        max_deletes=arguments.max_deletes,
        dry_run=arguments.dry_run,
        on_bad_row="skip" if arguments.skip_bad_rows else "fail",
        retry_rows=retried,
        strict_options=arguments.strict_options,
        zone=arguments.zone,
        empty_as_none=get_kind(arguments.file) == CSV,
        on_progress=lambda done: bar.wrote(done.written, done.counts.writes),
    )


def _insert(
    client: LarkServiceClient,
    table_id: str | None,
    arguments: argparse.Namespace,
    retried: frozenset[int] | None,
    bar: Bar,
) -> _Inserted:
    name = arguments.resume or f"import-{uuid.uuid4().hex[:12]}"
    if config.has_database():
        print(f"This is load {name}. If it is interrupted, add --resume {name}.", file=sys.stderr)
    empty: list[int] = []
    rows = _note_empty(_read_rows(client, table_id, arguments), empty)
    result = client.clouddoc.bitable.bulk_insert(
        arguments.url,
        table_id,
        bar.track_rows(rows, "Wrote"),
        idempotency_key=_load_key(name),
        keep_ids=False,
        key_fields=arguments.key,
        zone=arguments.zone,
        empty_as_none=get_kind(arguments.file) == CSV,
        on_bad_row="skip" if arguments.skip_bad_rows else "fail",
        retry_rows=retried,
        validate="all",
    )
    if empty:
        print(
            f"{len(empty)} row(s) of {arguments.file} have only empty cells, row {empty[0]} first; each "
            "makes an empty record.",
            file=sys.stderr,
        )
    return _Inserted(result.written, result.replayed, result.rejects)


def _note_empty(rows: Iterator[dict[str, Any]], empty: list[int]) -> Iterator[dict[str, Any]]:
    """Yield rows, and note the numbers of those without a value: spreadsheet programs leave such lines."""
    for number, row in enumerate(rows, 1):
        if all(value is None or value == "" for value in row.values()):
            empty.append(number)
        yield row


def _load_key(name: str) -> str:
    """Return the key under which a load of this command is recorded."""
    return f"bitable import {name}"


def _read_rows(
    client: LarkServiceClient, table_id: str | None, arguments: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    rows = reading.read(reading.make_local_source(arguments.file), arguments.encoding, arguments.key)

    def read_field_types() -> dict[str, int]:
        fields = client.clouddoc.bitable.list_fields(arguments.url, table_id)
        return {field["field_name"]: field["type"] for field in fields}

    return cells.from_file(rows, arguments.file, read_field_types)


def _print_fields(fields: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.print_json({"fields": list(fields)})
        return
    print(
        output.render_table(
            ("field", "type"), [(field["field_name"], infer.NAMES[field["type"]]) for field in fields]
        )
    )
