"""`lark-provider sheet`: import files into spreadsheets, export worksheets, and show what one contains."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from lark_provider.api.clouddoc.drive.people import Role, Share
from lark_provider.api.clouddoc.sheets.tables.options import SheetMode
from lark_provider.cli import sheet_export, sheet_import, sheet_show, wording
from lark_provider.cli.arguments import IntermixedParser, add_app_options, add_group


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    actions = add_group(commands, "sheet", "files and spreadsheets", parser_class=IntermixedParser)
    _add_import(actions)
    _add_export(actions)
    _add_show(actions)


def share(text: str) -> Share:
    """Parse whom to share with, as the `type` of an option.

    Args:
        text: Such as `ou_…`, `ann@example.com:edit` or `oc_…:view`.

    Raises:
        argparse.ArgumentTypeError: The role is unknown.
    """
    who, colon, role = text.rpartition(":")
    if not colon:
        return Share(text)
    if not who or role not in get_args(Role):
        raise argparse.ArgumentTypeError(f"must be WHO or WHO:{'|'.join(get_args(Role))}, got {text!r}")
    return Share(who, role)  # type: ignore[arg-type]  # checked


def _add_import(actions: Any) -> None:
    load = actions.add_parser(
        "import",
        help="write a file into a spreadsheet",
        description="Write the rows of a file into a worksheet, or into a new spreadsheet. In a CSV file, "
        "columns that hold only numbers, dates or booleans become such; codes with leading zeros and long "
        "ids stay text.",
    )
    add_app_options(load)
    load.add_argument(
        "file", help="a CSV file (.csv), JSON Lines (.jsonl, .ndjson) or Parquet (.parquet), with a header"
    )
    load.add_argument("url", nargs="?", help="the link of the spreadsheet; without it, --title makes one")
    load.add_argument("--title", help="of a new spreadsheet")
    load.add_argument("--folder", help="of a new spreadsheet: a link, or a path such as Reports/2026-11")
    load.add_argument(
        "--share",
        type=share,
        action="append",
        default=[],
        metavar="WHO[:ROLE]",
        help="let a person or chat view, edit or full_access it; repeatable",
    )
    _add_worksheet(load)
    load.add_argument("--mode", choices=get_args(SheetMode), default="replace", help="default: replace")
    load.add_argument(
        "--key", action="append", default=[], metavar="TITLE", help="with update_by_key; repeatable"
    )
    load.add_argument("--start", default="A1", metavar="CELL", help="the upper left cell; default: A1")
    load.add_argument("--text", action="store_true", help="write every cell of a CSV file as text")
    load.add_argument("--filter", action="store_true", help="give the header a filter")
    load.add_argument("--zone", help="the time zone to which times with one are converted")
    load.add_argument("--encoding", default="utf-8-sig", help="of the file; default: UTF-8")
    load.add_argument(
        "--resume",
        metavar="NAME",
        help="continue an import that was interrupted, by the name that it printed",
    )
    load.add_argument("--json", action="store_true", help="print the result as JSON")
    load.set_defaults(run=sheet_import.run, words=wording.SHEET_IMPORT)


def _add_export(actions: Any) -> None:
    export = actions.add_parser(
        "export",
        help="write a worksheet into a file",
        description="Write the rows of a worksheet into a file; the first row has the titles. A file that "
        "exists is replaced once the new one is complete.",
    )
    add_app_options(export)
    export.add_argument("url", help="the link of the spreadsheet")
    export.add_argument("file", help="a CSV file (.csv) or JSON Lines (.jsonl, .ndjson)")
    _add_worksheet(export)
    export.add_argument("--range", help="such as B2:F; default: the whole worksheet")
    export.add_argument("--json", action="store_true", help="print the count as JSON")
    export.set_defaults(run=sheet_export.run, words=wording.SHEET_EXPORT)


def _add_show(actions: Any) -> None:
    show = actions.add_parser("show", help="list the worksheets of a spreadsheet and the first rows of one")
    add_app_options(show)
    show.add_argument("url", help="the link of the spreadsheet")
    _add_worksheet(show)
    show.add_argument("--range", help="such as B2:F20; default: the first --rows rows")
    show.add_argument("--rows", type=_parse_count, default=10, metavar="N", help="how many rows; default: 10")
    show.add_argument("--json", action="store_true", help="print it as JSON")
    show.set_defaults(run=sheet_show.run, words=wording.SHEET_EXPORT)


def _add_worksheet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--worksheet", metavar="TITLE", help="its title or id; default: that of the link, else the first"
    )


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"must be a number of 0 or more, got {text!r}")
    return int(text)
