"""`client.clouddoc.drive`: folders, files and permissions, bound for both clients."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from lark_provider.api.clouddoc.drive import files, folders, permissions, sharing, subscriptions
from lark_provider.client.bind import Async, ListingMethod, Namespace, ProcedureMethod, Sync

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


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
    subscribe = ProcedureMethod(subscriptions.subscribe)
    is_subscribed = ProcedureMethod(subscriptions.is_subscribed)
    unsubscribe = ProcedureMethod(subscriptions.unsubscribe)

    @cached_property
    def permissions(self) -> Permissions[R_co]:
        """Who may open a document or folder."""
        return Permissions(self.runner)
