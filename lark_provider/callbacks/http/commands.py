"""Which messages the gateway stores as chat commands: those of apps for which `lark.yaml` has `commands`."""

from __future__ import annotations

import logging
from pathlib import Path

from lark_provider import config
from lark_provider.api.routes.model import Routes
from lark_provider.api.routes.reading import read_routes
from lark_provider.protocol.callbacks import Delivery, Event
from lark_provider.protocol.commands.message import RECEIVED, find_command
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.utils.watched_file import WatchedFile

logger = logging.getLogger(__name__)


class CommandFilter:
    """Recognizes commands by `lark.yaml`, which is read again when it has changed.

    A broken file must not stop clicks: without a good version of it there are no commands.

    Args:
        path: The file; None for no commands.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: WatchedFile[Routes] | None = None
        self._problem = ""

    @classmethod
    def from_config(cls) -> CommandFilter:
        """Return the filter of the file that `LARK_ROUTES_PATH` names."""
        routes_path = config.get_routes_path()
        return cls(None if routes_path is None else config.expand_path(routes_path))

    def is_message(self, delivery: Delivery) -> bool:
        """Return whether a delivery is a message to an app that takes commands."""
        return isinstance(delivery, Event) and delivery.type == RECEIVED and self._is_on(delivery.app_id)

    def is_command(self, delivery: Delivery) -> bool:
        """Return whether a delivery is a command to an app that takes commands."""
        return (
            isinstance(delivery, Event) and self.is_message(delivery) and find_command(delivery) is not None
        )

    def _is_on(self, app_id: str | None) -> bool:
        return any(rule.app_id in {None, app_id} for rule in self._load_routes().commands)

    def _load_routes(self) -> Routes:
        if self._path is None:
            return Routes()
        try:
            if self._file is None:
                self._file = WatchedFile(self._path, read_routes)
            return self._file.read_last_good()
        except ConfigurationError as error:  # It was never good; it is read again for the next message.
            if str(error) != self._problem:
                self._problem = str(error)
                fields = {"path": str(self._path), "reason": self._problem}
                logger.error("Chat commands are off: lark.yaml is unusable", extra=fields)  # noqa: TRY400
            return Routes()
