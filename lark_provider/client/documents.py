"""`client.clouddoc`: the operations of documents, bound for both clients; loaded when they are used."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from lark_provider.api.clouddoc import bitable, bulk, records
from lark_provider.api.clouddoc.drive import files, folders, permissions, sharing
from lark_provider.api.clouddoc.sync import procedure
from lark_provider.client.bind import Async, CallMethod, ListingMethod, Namespace, ProcedureMethod, Sync
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
    search_records = ListingMethod(records.search_records)
    bulk_insert = ProcedureMethod(bulk.bulk_insert)
    bulk_update = ProcedureMethod(bulk.bulk_update)
    bulk_delete = ProcedureMethod(bulk.bulk_delete)
    sync = ProcedureMethod(procedure.sync)


class Permissions(Namespace[R_co]):
    """`client.clouddoc.drive.permissions`: who may open a document or folder."""

    list = ProcedureMethod(permissions.list_members)
    add = ProcedureMethod(permissions.add)
    share = ProcedureMethod(sharing.share)
    remove = ProcedureMethod(permissions.remove)
    transfer_owner = ProcedureMethod(permissions.transfer_owner)
    public = ProcedureMethod(permissions.public)


class Drive(Namespace[R_co]):
    """`client.clouddoc.drive`: folders, files and permissions."""

    create_folder = ProcedureMethod(folders.create_folder)
    ensure_folder = ProcedureMethod(folders.ensure_folder)
    find_folder = ProcedureMethod(folders.find_folder)
    list_files = ListingMethod(files.list_files)
    copy = ProcedureMethod(files.copy)
    delete = ProcedureMethod(files.delete)

    @cached_property
    def permissions(self) -> Permissions[R_co]:
        """Who may open a document or folder."""
        return Permissions(self.runner)


class CloudDoc(Namespace[R_co]):
    """`client.clouddoc`: Lark's documents."""

    @cached_property
    def bitable(self) -> Bitable[R_co]:
        """Bases, tables, fields and records."""
        return Bitable(self.runner)

    @cached_property
    def sheets(self) -> Sheets[R_co]:
        """Spreadsheets."""
        return Sheets(self.runner)

    @cached_property
    def drive(self) -> Drive[R_co]:
        """Folders, files and permissions."""
        return Drive(self.runner)
