"""The site under failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lark_provider.storage import urls
from tests.airflow.conftest import AirflowHome, airflow_home  # noqa: F401 - a fixture
from tests.callbacks import mq
from tests.callbacks.conftest import _recover
from tests.callbacks.failures.breakdowns import BREAKDOWNS
from tests.callbacks.failures.crowd import waits
from tests.callbacks.failures.site import Site
from tests.services.postgres import OwnPostgres
from tests.services.rabbitmq import OwnRabbit
from tests.storage import prepared


@pytest.fixture(scope="module")
def site(
    one_node: OwnRabbit,
    one_server: OwnPostgres,
    airflow_home: AirflowHome,  # noqa: F811 - it is that fixture
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Start the whole site, with some waits for each breakdown from the beginning, and yield it."""
    mq.purge(one_node.url)
    with one_server.server.databases() as databases:
        url = urls.parse(databases.make(), "test")
        prepared.upgrade(url)
        waiting = [wait for breakdown in BREAKDOWNS for wait in waits(breakdown)]
        running_site = Site(one_node, one_server, url, airflow_home, waiting, tmp_path_factory.mktemp("site"))
        running_site.start()
        yield running_site
        for broken in (one_node, one_server):
            _recover(broken)
        running_site.close()
