"""How a table is written into a worksheet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.api.clouddoc.cells import show
from lark_provider.api.clouddoc.loads.leasing import LEASE_SECONDS, WAIT_SECONDS
from lark_provider.api.clouddoc.loads.options import SETTLE_SECONDS
from lark_provider.api.clouddoc.sheets.pieces import MAX_ROWS
from lark_provider.api.clouddoc.sheets.tables.chunks import MAX_BYTES
from lark_provider.protocol.arguments import check_bool, check_choice, check_texts
from lark_provider.protocol.errors import InvalidRequestError

SheetMode: TypeAlias = Literal["replace", "append", "update_by_key"]
Format: TypeAlias = str | Mapping[str, Any]
"""A formatter such as `#,##0.00`, or a style of Lark."""
Freeze: TypeAlias = tuple[int, int | None]
"""How many rows and columns are frozen; None for columns that are left as they are."""
HEADER_STYLE: Mapping[str, Any] = {"font": {"bold": True}}
LOOK_SECONDS = 5.0
"""The pause between two looks for a spreadsheet that may have been created."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How a table is written; see `write_table`.

    Attributes:
        look_after: Seconds between two looks for a spreadsheet that may have been created.
        max_rows: The most rows of one request.
        max_bytes: The most bytes of the body of one request.
        lease_seconds: How long the lease of the spreadsheet is taken each time, in seconds.
    """

    columns: Sequence[str] | Mapping[str, str] | None = None
    header: bool = True
    mode: SheetMode = "replace"
    key_fields: Sequence[str] = ()
    formats: Mapping[str | type, Format] | None = None
    header_style: Mapping[str, Any] | None = None
    widths: Literal["content"] | Mapping[str, int] | None = None
    freeze: Freeze | None = None
    filter: bool = False
    conditional_formats: Mapping[str, Any] | None = None
    unmerge: bool = False
    zone: dt.tzinfo | None = None
    lease_wait: float = WAIT_SECONDS
    settle_after: float = SETTLE_SECONDS
    look_after: float = LOOK_SECONDS
    max_rows: int = MAX_ROWS
    max_bytes: int = MAX_BYTES
    lease_seconds: float = LEASE_SECONDS

    def check(self) -> None:
        """Check what can be checked without the rows.

        Raises:
            InvalidRequestError: An option is invalid.
        """
        check_choice("mode", self.mode, get_args(SheetMode))
        if (self.mode == "update_by_key") != bool(self.key_fields):
            raise InvalidRequestError(
                f'key_fields must be given with mode="update_by_key" and with no other mode, got '
                f"{self.key_fields!r} with {self.mode!r}. Next: name the columns that tell a row from "
                "all others."
            )
        check_texts("key_fields", self.key_fields, "a list of names such as ['No']")
        if self.mode == "update_by_key" and not self.header:
            raise InvalidRequestError(
                'mode="update_by_key" must have a header, got header=False: columns are found by their '
                "titles. Next: leave header out."
            )
        for name in ("header", "filter", "unmerge"):
            check_bool(name, getattr(self, name))
        for name in ("formats", "header_style", "conditional_formats"):
            value = getattr(self, name)
            if not isinstance(value, Mapping | None):
                raise InvalidRequestError(
                    f"{name} must be a dict, got {show(value)}. Next: pass one, or leave it out."
                )
        if not (self.widths in (None, "content") or isinstance(self.widths, Mapping)):
            raise InvalidRequestError(
                f'widths must be "content", a dict of column to pixels, or None, got {show(self.widths)}. '
                "Next: pass {'Name': 120}, or leave it out."
            )


def parse_freeze(freeze: bool | int | tuple[int, int] | None, header_end: int) -> Freeze | None:
    """Return how many rows and columns are frozen; None to leave them as they are.

    Args:
        freeze: True for the rows down to the header; rows; or rows and columns.
        header_end: The row of the header.

    Raises:
        InvalidRequestError: It is something else.
    """
    if freeze is None:
        return None
    if isinstance(freeze, bool):
        return (header_end if freeze else 0), None
    if type(freeze) is int and freeze >= 0:
        return freeze, None
    if (
        isinstance(freeze, tuple)
        and len(freeze) == len(("rows", "columns"))
        and all(type(count) is int and count >= 0 for count in freeze)
    ):
        return freeze
    raise InvalidRequestError(
        f"freeze must be True, a number of rows, or (rows, columns), got {show(freeze)}. Next: pass 1 for "
        "the header, or (1, 2) for a row and two columns."
    )
