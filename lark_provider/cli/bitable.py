"""`lark-provider bitable`: import files into tables, and export tables into files."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from lark_provider.api.clouddoc.sync.keys import KeyForm
from lark_provider.api.clouddoc.sync.options import SyncMode
from lark_provider.cli import bitable_export, bitable_import, wording
from lark_provider.cli.arguments import add_app_options, add_group

_FILES = "a CSV file (.csv), JSON Lines (.jsonl, .ndjson) or Parquet (.parquet)"


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    actions = add_group(commands, "bitable", "files and Bitable tables")
    _add_import(actions)
    _add_export(actions)


def _add_import(actions: Any) -> None:
    load = actions.add_parser(
        "import",
        help="make a table equal to a file",
        description="Write the rows of a file into a table, by key: only what differs is written, and "
        "fields that the file does not name are left alone. Running it again continues. The first line of a "
        "CSV file names the fields.",
    )
    add_app_options(load)
    load.add_argument("file", help=_FILES)
    load.add_argument(
        "url", help="the link of the table, from the address bar; of a base with --create-table"
    )
    load.add_argument(
        "--key", action="append", default=[], metavar="FIELD", help="tells rows apart; repeatable"
    )
    load.add_argument(
        "--mode",
        choices=(*get_args(SyncMode), "insert"),
        default="upsert",
        help="default: upsert; insert adds every row, without --key",
    )
    load.add_argument("--key-form", choices=get_args(KeyForm), default="exact", help="how keys are compared")
    load.add_argument(
        "--max-deletes",
        type=_share,
        default=0.1,
        metavar="N",
        help="with --mode mirror: the share (0.1) or number (20) of records that may be deleted",
    )
    load.add_argument("--dry-run", action="store_true", help="print the difference and write nothing")
    load.add_argument(
        "--create-table", metavar="NAME", help="make a new table, with fields that hold what is in the file"
    )
    load.add_argument(
        "--resume",
        metavar="LOAD",
        help="with --mode insert: continue a load that was interrupted, under the name that it printed",
    )
    load.add_argument(
        "--strict-options",
        action="store_true",
        help="reject options that a select field does not have; else Lark adds them",
    )
    load.add_argument("--skip-bad-rows", action="store_true", help="leave out rows that do not fit")
    load.add_argument("--rejects", metavar="FILE", help="list rows that do not fit here, as CSV")
    load.add_argument("--retry-rejects", metavar="FILE", help="write only the rows that such a file lists")
    load.add_argument("--zone", help="the time zone of times without one, such as Asia/Shanghai")
    load.add_argument("--encoding", default="utf-8-sig", help="of the file; default: UTF-8")
    load.add_argument("--json", action="store_true", help="print the counts as JSON")
    load.set_defaults(run=bitable_import.run, words=wording.BITABLE_IMPORT)


def _add_export(actions: Any) -> None:
    export = actions.add_parser(
        "export",
        help="write a table into a file",
        description="Write the records of a table into a file. A file that exists is replaced once the new "
        "one is complete. JSON Lines and Parquet keep lists and objects; in CSV these are JSON.",
    )
    add_app_options(export)
    export.add_argument("url", help="the link of the table, from the address bar")
    export.add_argument("file", help=_FILES)
    export.add_argument(
        "--field", action="append", default=[], metavar="FIELD", help="write only this field; repeatable"
    )
    export.add_argument("--view", metavar="ID", help="only the records of this view (vew…)")
    export.add_argument("--zone", help="the time zone that times are written in; default: UTC")
    export.add_argument("--json", action="store_true", help="print the count as JSON")
    export.set_defaults(run=bitable_export.run, words=wording.BITABLE_EXPORT)


def _share(text: str) -> float:
    """Parse a share or a number of records, as the `type` of an option."""
    try:
        value: float = float(text) if "." in text else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a share such as 0.1 or a number, got {text!r}") from None
    return value
