"""`client.clouddoc.sheets`: spreadsheets by token or link, and objects that need no further ids."""

from __future__ import annotations

from typing import TypeVar

from lark_provider.api.clouddoc.drive import permissions, sharing
from lark_provider.api.clouddoc.sheets import (
    cells,
    conditions,
    dimensions,
    files,
    filters,
    layout,
    reading,
    searching,
    worksheets,
)
from lark_provider.api.clouddoc.sheets.tables.procedure import write_table
from lark_provider.api.clouddoc.sheets.targets import SheetRef
from lark_provider.client.bind import (
    Async,
    ListingMethod,
    Namespace,
    ProcedureMethod,
    Sync,
    TargetListing,
    TargetMethod,
    TargetNamespace,
)

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


class Sheet(TargetNamespace[R_co]):
    """A worksheet of a spreadsheet: the operations of `client.clouddoc.sheets` without ids.

    The worksheet is looked up when an operation is called.
    """

    target: SheetRef

    @property
    def ref(self) -> SheetRef:
        """The spreadsheet and the worksheet that it refers to."""
        return self.target

    def __repr__(self) -> str:
        return f"<Sheet {self.target.sheet!r} of {self.target.token!r}>"

    read = TargetMethod(reading.read)
    read_rows = TargetListing(reading.read_rows)
    write_table = TargetMethod(write_table)
    write = TargetMethod(cells.write)
    append = TargetMethod(cells.append)
    clear = TargetMethod(cells.clear)
    find = TargetMethod(searching.find)
    style = TargetMethod(layout.style)
    set_widths = TargetMethod(dimensions.set_widths)
    set_heights = TargetMethod(dimensions.set_heights)
    freeze = TargetMethod(layout.freeze)
    merge = TargetMethod(layout.merge)
    unmerge = TargetMethod(layout.unmerge)
    insert_rows = TargetMethod(dimensions.insert_rows)
    delete_rows = TargetMethod(dimensions.delete_rows)
    get_filter = TargetMethod(filters.get_filter)
    set_filter = TargetMethod(filters.set_filter)
    clear_filter = TargetMethod(filters.clear_filter)
    list_conditional_formats = TargetMethod(conditions.list_conditional_formats)
    add_conditional_formats = TargetMethod(conditions.add_conditional_formats)
    delete_conditional_formats = TargetMethod(conditions.delete_conditional_formats)


class Spreadsheet(TargetNamespace[R_co]):
    """A spreadsheet; `spreadsheet["Sheet1"]` is a worksheet by its title, id or index from 0."""

    target: SheetRef

    @property
    def ref(self) -> SheetRef:
        """The spreadsheet that it refers to."""
        return self.target

    def __getitem__(self, sheet: str | int) -> Sheet[R_co]:
        """Return a worksheet, which is looked up when it is used.

        Args:
            sheet: Its title, its id, or its index from 0.
        """
        return Sheet(self.runner, SheetRef(self.target.token, sheet))

    def __repr__(self) -> str:
        return f"<Spreadsheet {self.target.token!r}>"

    get = TargetMethod(files.get)
    rename = TargetMethod(files.rename)
    revision = TargetMethod(files.revision)
    list_sheets = TargetMethod(worksheets.list_sheets)
    add_sheet = TargetMethod(worksheets.add_sheet)
    rename_sheet = TargetMethod(worksheets.rename_sheet)
    copy_sheet = TargetMethod(worksheets.copy_sheet)
    delete_sheet = TargetMethod(worksheets.delete_sheet)
    read = TargetMethod(reading.read)
    write = TargetMethod(cells.write)
    share = TargetMethod(sharing.share)
    list_members = TargetMethod(permissions.list_members)


class Sheets(Namespace[R_co]):
    """`client.clouddoc.sheets`: spreadsheets."""

    create = ProcedureMethod(files.create)
    get = ProcedureMethod(files.get)
    rename = ProcedureMethod(files.rename)
    revision = ProcedureMethod(files.revision)
    list_sheets = ProcedureMethod(worksheets.list_sheets)
    add_sheet = ProcedureMethod(worksheets.add_sheet)
    rename_sheet = ProcedureMethod(worksheets.rename_sheet)
    copy_sheet = ProcedureMethod(worksheets.copy_sheet)
    delete_sheet = ProcedureMethod(worksheets.delete_sheet)
    read = ProcedureMethod(reading.read)
    read_rows = ListingMethod(reading.read_rows)
    write_table = ProcedureMethod(write_table)
    write = ProcedureMethod(cells.write)
    append = ProcedureMethod(cells.append)
    clear = ProcedureMethod(cells.clear)
    find = ProcedureMethod(searching.find)
    style = ProcedureMethod(layout.style)
    set_widths = ProcedureMethod(dimensions.set_widths)
    set_heights = ProcedureMethod(dimensions.set_heights)
    freeze = ProcedureMethod(layout.freeze)
    merge = ProcedureMethod(layout.merge)
    unmerge = ProcedureMethod(layout.unmerge)
    insert_rows = ProcedureMethod(dimensions.insert_rows)
    delete_rows = ProcedureMethod(dimensions.delete_rows)
    get_filter = ProcedureMethod(filters.get_filter)
    set_filter = ProcedureMethod(filters.set_filter)
    clear_filter = ProcedureMethod(filters.clear_filter)
    list_conditional_formats = ProcedureMethod(conditions.list_conditional_formats)
    add_conditional_formats = ProcedureMethod(conditions.add_conditional_formats)
    delete_conditional_formats = ProcedureMethod(conditions.delete_conditional_formats)

    def open(self, token: str) -> Spreadsheet[R_co]:
        """Return a spreadsheet, whose operations need no token; nothing is sent.

        Args:
            token: Its token, or a link to it or to the wiki page that holds it.
        """
        return Spreadsheet(self.runner, SheetRef(token))
