"""Airflow with several teams: a bridge serves one of them."""

from __future__ import annotations

import logging

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.errors import AirflowRefusedError
from lark_provider.protocol.errors import ConfigurationError

logger = logging.getLogger(__name__)


async def check_teams(api: AirflowApi, team: str | None) -> None:
    """Refuse an Airflow with teams, unless the bridge is one team's.

    Args:
        api: Airflow.
        team: The bridge's team.

    Raises:
        ConfigurationError: Airflow has teams, and the bridge none.
        AirflowUnavailableError: Airflow was not reached.
    """
    # The configuration itself is hidden by default; the web page's API tells every user this much.
    try:
        config = await api.get("/ui/config")
    except AirflowRefusedError:
        config = None
    has_teams = config.get("multi_team") if isinstance(config, dict) else None
    if has_teams is None:
        logger.info("Airflow does not say whether it has teams")
    elif has_teams and not team:
        raise ConfigurationError(
            "An Airflow with teams must have a bridge for each team, got a bridge without a team. Next: "
            "run one with --team and an account for each team."
        )
