"""`lark-provider bitable export`: write a table into a file."""

from __future__ import annotations

import argparse

from lark_provider.cli import output
from lark_provider.cli.arguments import WrongUseError
from lark_provider.cli.progress import Bar
from lark_provider.client import LarkServiceClient
from lark_provider.files import cells, writing
from lark_provider.files.formats import get_kind


def run(arguments: argparse.Namespace) -> int:
    """Write the records of a table into a file."""
    get_kind(arguments.file)
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client, Bar() as bar:
        bitable = client.clouddoc.bitable
        field_types = {field["field_name"]: field["type"] for field in bitable.list_fields(arguments.url)}
        unknown = [name for name in arguments.field if name not in field_types]
        if unknown:
            raise WrongUseError(
                f"The table has no field {unknown[0]!r}; it has {', '.join(map(repr, field_types))}. Next: "
                "write --field as in this list."
            )
        columns = cells.choose_columns(field_types, arguments.field)
        records = bitable.search_records(
            arguments.url,
            None,
            field_names=list(arguments.field),
            view_id=arguments.view,
            zone=arguments.zone,
        )
        count = writing.write(arguments.file, columns, bar.track_rows(cells.to_file(records, columns)))
    if arguments.json:
        output.print_json({"rows": count})
    else:
        print(f"Wrote {count} rows to {arguments.file}.")
    return 0
