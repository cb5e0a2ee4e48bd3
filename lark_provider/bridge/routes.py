"""The routes of `lark.yaml` at `LARK_ROUTES_PATH`, as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from lark_provider import config
from lark_provider.api.routes.model import Route, RouteReceiver, Routes
from lark_provider.api.routes.reading import read_routes
from lark_provider.outbox.delivering import replaces_cards
from lark_provider.protocol.hitl.model import HitlQuestion
from lark_provider.support.environment import ENVIRONMENT
from lark_provider.utils.watched_file import WatchedFile

__all__ = ["Route", "RouteReceiver", "Routes", "RoutesFile"]


class RoutesFile:
    """The file of routes, read again when it has changed, without a restart.

    Args:
        path: The file; None for no routes: then questions go to their assignees, and failures to no one.
        team: Of a multi-team Airflow, the team whose DAGs these are.

    Raises:
        ConfigurationError: The file is missing or broken when this is made.
    """

    def __init__(self, path: str | None, team: str | None = None) -> None:
        self.path, self.team = path, team
        self._file = None if path is None else WatchedFile(config.expand_path(path), read_routes)

    @classmethod
    def from_environment(
        cls, team: str | None = None, environ: Mapping[str, str] = ENVIRONMENT
    ) -> RoutesFile:
        """Return the file that `LARK_ROUTES_PATH` names; of no routes if it is not set."""
        return cls(config.get_routes_path(environ), team)

    def read_current(self) -> Routes:
        """Return the routes as they are now; a broken file keeps the last good ones, and is logged once."""
        return Routes() if self._file is None else self._file.read_last_good()

    def replaces_lost(self) -> bool:
        """Return whether one new card is sent for one that cannot be updated, now."""
        return self.read_current().new_card_when_lost or replaces_cards()

    def for_question(self, question: HitlQuestion) -> list[RouteReceiver]:
        """Return who is asked, now; empty for the assignees alone. See `Routes.for_question`."""
        return self.read_current().for_question(question, team=self.team, at=datetime.now(UTC))

    def open_ids(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the open_ids of users of Airflow that `people` names, by name."""
        return self.read_current().people.open_ids(names)

    def for_failure(
        self, dag_id: str, tags: Iterable[str], owners: Iterable[str], task_id: str
    ) -> list[RouteReceiver]:
        """Return who is notified of a failure, now. See `Routes.for_failure`."""
        now = datetime.now(UTC)
        return self.read_current().for_failure(dag_id, tags, owners, task_id, team=self.team, at=now)
