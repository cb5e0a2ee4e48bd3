"""`lark-provider sheet import`: write a file into a spreadsheet."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from lark_provider import config
from lark_provider.api.clouddoc.fields import CHECKBOX, DATE, NUMBER
from lark_provider.api.clouddoc.sheets.targets import SheetRef
from lark_provider.cli import infer, output
from lark_provider.cli.arguments import WrongUseError
from lark_provider.cli.progress import Bar
from lark_provider.client import LarkServiceClient
from lark_provider.files import reading
from lark_provider.files.formats import CSV, get_kind
from lark_provider.storage import ledger_admin, urls


def run(arguments: argparse.Namespace) -> int:
    """Write the rows of a file into a worksheet."""
    _check(arguments)
    name = arguments.resume or f"import-{uuid.uuid4().hex[:12]}"
    convert = _choose_converters(arguments)
    if config.has_database():
        print(f"This is import {name}. If it is interrupted, add --resume {name}.", file=sys.stderr)
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client, Bar() as bar:
        result = client.clouddoc.sheets.write_table(
            SheetRef(arguments.url, arguments.worksheet) if arguments.url else None,
            bar.track_rows(_iterate_rows(arguments, convert), "Wrote"),
            columns=list(convert),
            mode=arguments.mode,
            key=_make_key(name),
            key_fields=arguments.key,
            title=arguments.title,
            folder=arguments.folder,
            share_with=arguments.share,
            start=arguments.start,
            filter=arguments.filter,
            zone=arguments.zone,
        )
    if arguments.json:
        output.print_json(asdict(result))
    else:
        print(f"Wrote {result.rows_written} rows to {result.url}, {result.range}.")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Check what the parser cannot check."""
    get_kind(arguments.file)
    if bool(arguments.url) == bool(arguments.title):
        raise WrongUseError(
            f"Either a link or --title must be given, got {'both' if arguments.url else 'neither'}. Next: "
            "pass the link of a spreadsheet, or the title of a new one."
        )
    if arguments.url and arguments.folder:
        raise WrongUseError("--folder is for a new spreadsheet, and a link is given. Next: leave it out.")
    if arguments.worksheet and not arguments.url:
        raise WrongUseError("--worksheet is one of a spreadsheet, and no link is given. Next: leave it out.")
    if (arguments.mode == "update_by_key") != bool(arguments.key):
        raise WrongUseError(
            f"--key goes with --mode update_by_key and only with it, got --mode {arguments.mode}. Next: name "
            "the columns that tell rows apart, or leave --key out."
        )
    if reading.make_local_source(arguments.file).is_pipe:
        raise WrongUseError(
            f"The file is read twice, and {arguments.file} is a pipe. Next: save it as a file."
        )
    if arguments.resume is not None and not arguments.resume.strip():
        raise WrongUseError(
            f"--resume must name an import, got {arguments.resume!r}. Next: pass the name that the "
            "interrupted run has printed."
        )
    if arguments.resume and not config.has_database():
        raise WrongUseError(
            "--resume needs the database that recorded the import. Next: set LARK_DATABASE_URL as in the run "
            "that was interrupted."
        )
    if arguments.resume and not ledger_admin.has_entry(
        urls.database(), _make_key(arguments.resume), "sheet", "file"
    ):
        raise WrongUseError(
            f"--resume must name an import that the database knows, got {arguments.resume!r}, and a new one "
            "would write all rows. Next: see `lark-provider ledger list`; leave --resume out if nothing was "
            "written yet."
        )


def _make_key(name: str) -> str:
    """Return the key under which an import of this command is recorded."""
    return f"sheet import {name}"


def _choose_converters(arguments: argparse.Namespace) -> dict[str, Callable[[Any], Any]]:
    """Read the file, and return for each column the function that converts its values to cells."""
    rows = reading.read(reading.make_local_source(arguments.file), arguments.encoding, arguments.key)
    if get_kind(arguments.file) == CSV and not arguments.text:
        makers: dict[int, Callable[[Any], Any]] = {
            NUMBER: _parse_number,
            DATE: _parse_moment,
            CHECKBOX: _parse_boolean,
        }
        fields = infer.infer_fields(rows, ())
        converters = {field["field_name"]: makers.get(field["type"], _encode_value) for field in fields}
    else:
        converters = {name: _encode_value for row in rows for name in row}
    if not converters:
        raise WrongUseError(f"{arguments.file} has no rows. Next: name another file.")
    return converters


def _iterate_rows(
    arguments: argparse.Namespace, convert: dict[str, Callable[[Any], Any]]
) -> Iterator[list[Any]]:
    columns = list(convert.items())
    for row in reading.read(reading.make_local_source(arguments.file), arguments.encoding):
        cells = [(row.get(name), make) for name, make in columns]
        yield [None if value is None or value == "" else make(value) for value, make in cells]


def _encode_value(value: Any) -> Any:
    if not isinstance(value, dict | list):
        return value
    try:
        return output.format_json(value)
    except TypeError:  # It is not JSON, as decimals in a list of a Parquet file, or an int beyond 64 bits.
        return json.dumps(_to_plain(value), ensure_ascii=False, separators=(",", ":"))


def _to_plain(value: Any) -> Any:
    """Return a nested value as JSON has it: what it has no type for is text, and NaN null."""
    if isinstance(value, dict):
        return {str(name): _to_plain(element) for name, element in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(element) for element in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _parse_number(text: str) -> Decimal:
    return Decimal(text)


def _parse_moment(text: str) -> dt.date:
    return dt.date.fromisoformat(text) if len(text) == len("2026-01-31") else dt.datetime.fromisoformat(text)


def _parse_boolean(text: str) -> bool:
    return text.lower() == "true"
