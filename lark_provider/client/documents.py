"""`client.clouddoc`: the operations of documents, bound for both clients; loaded when they are used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from lark_provider.api.clouddoc import bitable, bulk, getting, records
from lark_provider.api.clouddoc.sync import procedure
from lark_provider.client.bind import Async, CallMethod, ListingMethod, Namespace, ProcedureMethod, Sync

if TYPE_CHECKING:
    from lark_provider.client.drive import Drive
    from lark_provider.client.sheets import Sheets

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


class Bitable(Namespace[R_co]):
    """`client.clouddoc.bitable`: bases, tables, fields and records."""

    create_app = CallMethod(bitable.create_app)
    create_table = ProcedureMethod(bitable.create_table)
    create_field = ProcedureMethod(bitable.create_field)
    list_fields = ListingMethod(bitable.list_fields)
    create_record = ProcedureMethod(records.create_record)
    update_record = ProcedureMethod(records.update_record)
    delete_record = ProcedureMethod(records.delete_record)
    locate = ProcedureMethod(getting.locate)
    get_records = ProcedureMethod(getting.get_records)
    search_records = ListingMethod(records.search_records)
    bulk_insert = ProcedureMethod(bulk.bulk_insert)
    bulk_update = ProcedureMethod(bulk.bulk_update)
    bulk_delete = ProcedureMethod(bulk.bulk_delete)
    sync = ProcedureMethod(procedure.sync)


class CloudDoc(Namespace[R_co]):
    """`client.clouddoc`: Lark's documents."""

    @cached_property
    def bitable(self) -> Bitable[R_co]:
        """Bases, tables, fields and records."""
        return Bitable(self.runner)

    @cached_property
    def sheets(self) -> Sheets[R_co]:
        """Spreadsheets."""
        from lark_provider.client.sheets import Sheets

        return Sheets(self.runner)

    @cached_property
    def drive(self) -> Drive[R_co]:
        """Folders, files and permissions."""
        from lark_provider.client.drive import Drive

        return Drive(self.runner)
