"""Spreadsheets (`/open-apis/sheets/v2` and `/v3`), and what cells hold and look like.

`from lark_provider.api.clouddoc.sheets import Formula, Link, Mention, Style`
"""

from __future__ import annotations

from lark_provider.support.exports import make_getattr

_HOMES = {
    "addressing": ("Cell", "Range"),
    "cells": ("Written",),
    "conditions": ("ConditionalFormat",),
    "files": ("SpreadsheetInfo",),
    "filters": ("Condition", "Filter"),
    "kinds": ("Formula", "Link", "Mention"),
    "styles": ("Style",),
    "targets": ("SheetRef", "Worksheet"),
}
_HOME_OF = {name: f".{home}" for home, names in _HOMES.items() for name in names}
__all__ = list(_HOME_OF)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.api.clouddoc.sheets.addressing import Cell as Cell
    from lark_provider.api.clouddoc.sheets.addressing import Range as Range
    from lark_provider.api.clouddoc.sheets.cells import Written as Written
    from lark_provider.api.clouddoc.sheets.conditions import ConditionalFormat as ConditionalFormat
    from lark_provider.api.clouddoc.sheets.files import SpreadsheetInfo as SpreadsheetInfo
    from lark_provider.api.clouddoc.sheets.filters import Condition as Condition
    from lark_provider.api.clouddoc.sheets.filters import Filter as Filter
    from lark_provider.api.clouddoc.sheets.kinds import Formula as Formula
    from lark_provider.api.clouddoc.sheets.kinds import Link as Link
    from lark_provider.api.clouddoc.sheets.kinds import Mention as Mention
    from lark_provider.api.clouddoc.sheets.styles import Style as Style
    from lark_provider.api.clouddoc.sheets.targets import SheetRef as SheetRef
    from lark_provider.api.clouddoc.sheets.targets import Worksheet as Worksheet


__getattr__ = make_getattr(
    __name__, _HOME_OF
)  # cells are converted without styles, and files created without cells
