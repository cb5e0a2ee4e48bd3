"""`lark-provider bitable export`: write a table into a file."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from lark_provider.api.clouddoc import field_types as types
from lark_provider.cli import output, table_files
from lark_provider.cli.arguments import WrongUseError
from lark_provider.cli.progress import Bar
from lark_provider.client import LarkServiceClient

_KINDS: Final[dict[int, str]] = {
    types.TEXT: "text", types.SINGLE_SELECT: "text", types.PHONE: "text", types.AUTO_NUMBER: "text",
    types.NUMBER: "number", types.CHECKBOX: "bool", types.DATE: "moment", types.CREATED_TIME: "moment",
    types.MODIFIED_TIME: "moment", types.MULTI_SELECT: "texts", types.LINK: "texts",
    types.DUPLEX_LINK: "texts",
}  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Write the records of a table into a file."""
    table_files.kind_of(arguments.file)
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client, Bar() as bar:
        bitable = client.clouddoc.bitable
        found = {one["field_name"]: one["type"] for one in bitable.list_fields(arguments.url)}
        unknown = [name for name in arguments.field if name not in found]
        if unknown:
            raise WrongUseError(
                f"The table has no field {unknown[0]!r}; it has {', '.join(map(repr, found))}. Next: correct "
                "--field."
            )
        columns = {name: _KINDS.get(found[name], "json") for name in arguments.field or found}
        records = bitable.search_records(
            arguments.url,
            None,
            field_names=list(arguments.field),
            view_id=arguments.view,
            zone=arguments.zone,
        )
        count = table_files.write(arguments.file, columns, bar.reading(_rows(records, columns)))
    if arguments.json:
        output.print_json({"rows": count})
    else:
        print(f"Wrote {count} rows to {arguments.file}.")
    return 0


def _rows(records: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    # A checkbox that was never set is not in what Lark sends.
    unset = {name: False for name, kind in columns.items() if kind == "bool"}
    for record in records:
        yield unset | record["fields"]
