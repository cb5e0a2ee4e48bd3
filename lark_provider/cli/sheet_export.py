"""`lark-provider sheet export`: write a worksheet into a file."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lark_provider.api.clouddoc.sheets.headers import parse_titles
from lark_provider.api.clouddoc.sheets.kinds import Link, Mention
from lark_provider.api.clouddoc.sheets.targets import SheetRef
from lark_provider.cli import output
from lark_provider.cli.arguments import WrongUseError
from lark_provider.cli.progress import Bar
from lark_provider.client import LarkServiceClient
from lark_provider.files import writing
from lark_provider.files.formats import PARQUET, get_kind


def run(arguments: argparse.Namespace) -> int:
    """Write the rows of a worksheet into a file."""
    if get_kind(arguments.file) == PARQUET:
        raise WrongUseError(
            "The output file must be .csv or .jsonl, since worksheet columns have no types, got "
            f"{arguments.file}. Next: name a .csv or .jsonl file."
        )
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client, Bar() as bar:
        rows = iter(
            client.clouddoc.sheets.read_rows(SheetRef(arguments.url, arguments.worksheet), arguments.range)
        )
        titles = parse_titles(next(rows, []))
        columns = {title: "text" for title in titles if title}
        count = writing.write(arguments.file, columns, bar.track_rows(_iterate_rows(rows, titles)))
    if arguments.json:
        output.print_json({"rows": count})
    else:
        print(f"Wrote {count} rows to {arguments.file}.")
    return 0


def _iterate_rows(rows: Iterable[Sequence[Any]], titles: Sequence[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if any(cell is not None for cell in row):
            yield {title: convert_cell(cell) for title, cell in zip(titles, row, strict=False) if title}


def convert_cell(cell: Any) -> Any:
    """Return a cell as a file contains it: the URL of a link, the id of a person, times in ISO 8601.

    Args:
        cell: What `read_rows` yielded.
    """
    if isinstance(cell, Link):
        return cell.url
    if isinstance(cell, Mention):
        return cell.id
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else cell
