"""Reword the client's errors, which name Python arguments, so that they name command-line options."""

from __future__ import annotations

import re
from collections.abc import Mapping

_EVERYWHERE = {
    "pass app_id= and app_secret=, or set": "set",
    "app_id=": "--app-id",
    "LARK_DATABASE_URL, or pass database_url=": "LARK_DATABASE_URL",
}
_ZONE = {"zone must be a tzinfo or": "--zone must be"}
_TABLE = _ZONE | {
    "table_id must be given unless app_token is a link that names a table, got None": (
        "The link must name a table"
    ),
    "pass the table_id (tbl…), or the link": "pass the link",
}
BITABLE_EXPORT = _TABLE
BITABLE_IMPORT = _TABLE | {
    "or skip such rows with on_bad_row='skip'": "or skip such rows with --skip-bad-rows",
    "on_bad_row='skip' finds": "--skip-bad-rows finds",
    "for an empty cell pass None, or empty_as_none=True": "for an empty cell write null",
    "More than max_rejects=": "More than ",
    "correct the source, or allow more.": "correct the source.",
    "max_deletes=": "--max-deletes ",
    "max_deletes": "--max-deletes",
    "or allow more": "or allow more with --max-deletes",
    "or pass allow_empty_table=True if it is empty": "or use --mode insert if it is empty",
    "name others, or use marker_field=": "name others",
    "key_fields= or marker_field= avoid this": "--key avoids this",
    "key_fields": "--key",
    "zone=": "--zone",
    "mode='mirror'": "--mode mirror",
    "mode='upsert'": "--mode upsert",
    "retry_rejects": "--retry-rejects",
    "; or leave out validate='all'": "",
}
SHEET_IMPORT = _ZONE | {
    "give columns= in the order of the worksheet, begin": "order the columns as in the worksheet, or begin",
    "with start=, or pass header=False": "with --start",
    "unmerge them, pass unmerge=True, or": "unmerge them, or",
    "key_fields": "--key",
}
SHEET_EXPORT = {
    "read one part at a time, or with read_rows(consistent=False)": "read one part at a time with --range",
}
DRIVE_SHARE = {
    "type='sheet', 'folder', 'docx', 'bitable', 'file' or 'wiki'": (
        "--type with sheet, folder, docx, bitable, file or wiki"
    ),
    "type=": "--type",
}


def in_options(text: str, words: Mapping[str, str]) -> str:
    """Return the text of an error with options in place of Python arguments.

    Args:
        text: The text as the client words it.
        words: The client's words and what replaces each, in this order, and only where it is not part of a
            longer name.
    """
    for python, option in {**words, **_EVERYWHERE}.items():
        end = r"\b" if python[-1].isalnum() else ""
        text = re.sub(rf"(?<![\w?&-]){re.escape(python)}{end}", option, text)
    return text
