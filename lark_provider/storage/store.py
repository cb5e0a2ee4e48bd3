"""What the processes of an app share in one database; implements `protocol.store.Store`."""

from __future__ import annotations

from functools import cached_property

from sqlalchemy.engine import URL

from lark_provider.protocol.tokens import App
from lark_provider.storage.ledger import LoadLedger
from lark_provider.storage.message_ledger import MessageLedger
from lark_provider.storage.pace import DatabasePace
from lark_provider.storage.sheet_ledger import SheetLedger
from lark_provider.storage.table_leases import TableLeases


class SharedStore:
    """The shared database of an app. Making one does no I/O.

    Args:
        url: The database.
        app: The app.
    """

    def __init__(self, url: URL, app: App) -> None:
        self._url, self._app = url, app

    @cached_property
    def leases(self) -> TableLeases:
        """Leases of tables."""
        return TableLeases(self._url, self._app.base_url, self._app.app_secret)

    @cached_property
    def ledger(self) -> LoadLedger:
        """Loads."""
        return LoadLedger(self._url, self._app)

    @cached_property
    def messages(self) -> MessageLedger:
        """Messages with a key."""
        return MessageLedger(self._url, self._app)

    @cached_property
    def files(self) -> MessageLedger:
        """Files that were made for a key."""
        return MessageLedger(self._url, self._app, "file")

    @cached_property
    def sheets(self) -> SheetLedger:
        """Tables in spreadsheets."""
        return SheetLedger(self._url, self._app)

    @cached_property
    def pace(self) -> DatabasePace:
        """The pace of requests."""
        return DatabasePace(self._url, self._app.name)
