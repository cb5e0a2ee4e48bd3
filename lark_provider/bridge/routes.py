"""The routes of `lark.yaml` at `LARK_ROUTES_PATH`, as they are now."""

from __future__ import annotations

from collections.abc import Mapping

from lark_provider import config
from lark_provider.api.routes.model import Language, Quiet, Receiver, Route, Routes
from lark_provider.api.routes.reading import read_routes
from lark_provider.support.environment import ENVIRONMENT
from lark_provider.utils.watched_file import WatchedFile

__all__ = ["Language", "Quiet", "Receiver", "Route", "Routes", "RoutesFile"]


class RoutesFile:
    """The file of routes, read again when it has changed, without a restart.

    Args:
        path: The file; None for no routes: then questions go to their assignees, and failures to no one.

    Raises:
        ConfigurationError: The file is missing or broken when this is made.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._file = None if path is None else WatchedFile(config.path(path), read_routes)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = ENVIRONMENT) -> RoutesFile:
        """Return the file that `LARK_ROUTES_PATH` names; of no routes if it is not set."""
        return cls(config.routes(environ))

    @property
    def problem(self) -> str:
        """Why the file as it is now is not used; empty if it is."""
        return "" if self._file is None else self._file.problem

    def current(self) -> Routes:
        """Return the routes as they are now; a broken file keeps the last good ones, and is logged once."""
        return Routes() if self._file is None else self._file.current()
