"""Settings of spreadsheets, folders and permissions; the others are in `settings`."""

from __future__ import annotations

from dataclasses import dataclass

from lark_emulator.document_settings import DocumentSettings

KIB = 1024

#: Settings whose value is one of a few words. The first is the default.
SHEET_CHOICES: dict[str, tuple[str, ...]] = {
    "grid_growth": ("data", "range", "refused"),
    "value_write_formats": ("kept", "reset"),
    "value_batches": ("whole", "one_by_one"),
    "read_outside": ("refused", "empty"),
    "trailing_rows": ("kept", "cut"),
    "single_cells": ("refused", "taken"),
    "null_write": ("clears", "kept"),
    "bool_cells": ("bool", "text", "refused"),
    "url_strings": ("linked", "text"),
    "email_strings": ("linked", "text"),
    "equals_strings": ("text", "formula"),
    "import_range": ("refused", "taken"),
    "dropdown_writes": ("taken", "refused"),
    "dropdown_reads": ("text", "list"),
    "image_range_name": ("updatedRange", "updateRange"),
    "merged_writes": ("dropped", "stored"),
    "remerge": ("taken", "refused"),
    "filter_again": ("refused", "overwrites"),
    "match_case": ("ignores", "matches"),
    "sheets_batch": ("one_by_one", "whole"),
    "sheets_replies": ("each", "merged"),
    "last_worksheet": ("refused", "deleted"),
    "sheet_busy": ("90217", "90235"),
    "sheet_error_status": ("400", "200"),
    "sheet_denied": ("91403", "90213"),
    "never_shared_status": ("403", "200"),
    "style_batches": ("whole", "one_by_one"),
    "folder_inheritance": ("inherited", "none"),
    "member_again": ("upsert", "kept", "raised", "1063003"),
    "owner_listed": ("absent", "listed"),
}


@dataclass(slots=True)
class SheetSettings(DocumentSettings):
    """The settings of spreadsheets and the drive."""

    sheet_write_ms: float = 10.0
    """How long a write takes and holds its spreadsheet: another write to it meanwhile gets `sheet_busy`."""
    sheet_busy: str = "90217"
    """What a write to a busy spreadsheet gets: 90217 or 90235, in v3 1310217 or 1310235."""
    sheet_error_status: str = "400"
    """HTTP status of the errors of v2, but for those of permission (403). Not documented."""
    sheet_denied: str = "91403"
    """What an app gets that may not open a spreadsheet: 91403, or 90213 and in v3 1310213."""
    never_shared_status: str = "403"
    """HTTP status of 91403, for spreadsheets and bases. Reports saw both."""
    style_batches: str = "whole"
    """A refused range in `styles_batch_update`: nothing is styled, or those before it are. Unconfirmed."""
    grid_growth: str = "data"
    """A write outside the grid: it grows to the end of the data or of the range, or refuses. Unconfirmed."""
    value_write_formats: str = "kept"
    """What a write of values does to the styles of its cells. The sources differ."""
    value_batches: str = "whole"
    """A refused range in `values_batch_update`: nothing is written, or those before it are. Unconfirmed."""
    read_outside: str = "refused"
    """A read that begins outside the grid: 90202, or no values. Unconfirmed."""
    trailing_rows: str = "kept"
    """Empty rows at the end of a read: rows of nulls, or left out. The sources differ."""
    single_cells: str = "refused"
    """A range of one cell as `C2` where something is written: 90202, or taken like `C2:C2`."""
    null_write: str = "clears"
    """What a null in the values does to a cell: as `""`, or nothing. Unconfirmed."""
    bool_cells: str = "bool"
    """A bool in the values: stored as one, as its text, or refused. Unconfirmed."""
    url_strings: str = "linked"
    """A string that is a URL: becomes a link, which is read as a list of segments, or stays text."""
    email_strings: str = "linked"
    """The same for e-mail addresses. Unconfirmed."""
    equals_strings: str = "text"
    """A string that begins with `=`: text, as the official command line says, or a formula."""
    import_range: str = "refused"
    """Formulas with IMPORTRANGE: refused (90204), or taken. The sources differ."""
    dropdown_writes: str = "taken"
    """A value that a cell's dropdown does not offer: taken, or refused (90202)."""
    dropdown_reads: str = "text"
    """What a cell with several chosen values reads as: text, or a list. Unconfirmed."""
    image_range_name: str = "updatedRange"
    """How the answer to `values_image` calls its range: the table of the page and its example differ."""
    merged_writes: str = "dropped"
    """A value for a cell that is covered by a merged one: dropped, or stored. Unconfirmed."""
    remerge: str = "taken"
    """Merging cells of which some are merged already: taken, or refused (90202). Unconfirmed."""
    filter_again: str = "refused"
    """A second filter of a worksheet: refused (1310236), or in place of the first. The sources differ."""
    match_case: str = "ignores"
    """What `match_case: true` does: ignores case, by the text of the page, or does not. Unconfirmed."""
    sheets_batch: str = "one_by_one"
    """A refused item of `sheets_batch_update`: those before it stand, or nothing is done. Unconfirmed."""
    sheets_replies: str = "each"
    """Replies of `sheets_batch_update`: one for each request, or all in one. Unconfirmed."""
    last_worksheet: str = "refused"
    """Deleting the only worksheet: refused, or deleted. Unconfirmed."""
    max_sheet_request_bytes: int = 3584 * KIB
    """A longer request to v2 gets 90227. The documents do not say how long."""
    max_sheet_answer_bytes: int = 10 * KIB * KIB
    """A longer answer of values gets 90221."""
    max_sheet_images: int = 4000
    """How many different floating images a spreadsheet takes: more get 1310247."""
    max_sheet_cells: int = 5_000_000
    """Cells of a worksheet, empty ones included; beyond it 90219."""
    max_style_rows: int = 5000
    """Rows of one style range; beyond it 90202. A report met it at about 2,000."""
    list_lag_s: float = 0.0
    """For how many seconds lists of folders do not show what was made, renamed, moved or deleted."""
    folder_inheritance: str = "inherited"
    """Whether the collaborators of a folder may open what is in it. Unconfirmed."""
    folder_children: int = 1500
    """Documents directly in a folder; beyond it 1062507."""
    member_again: str = "upsert"
    """A collaborator who is added again: gets the new permission, keeps the old one, gets the higher one, or
    is refused (1063003). Unconfirmed."""
    owner_listed: str = "absent"
    """Whether the list of collaborators holds the owner. Unconfirmed."""
