"""A run for changed records of a Bitable table: docs/en/how-to/record-events.md.

`LARK_EXAMPLE_TABLE` is the link to the table in the address bar; without one nothing is watched. The app must
own or manage the base.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher, task

from lark_provider.triggers import LarkBaseWatcher

# [START record_events]
link = os.environ.get("LARK_EXAMPLE_TABLE", "")
watchers = [AssetWatcher(name="lark", trigger=LarkBaseWatcher(link, scan_every=60))] if link else []
orders = Asset("lark_orders", watchers=watchers)

with DAG(
    "record_events",
    description="Handle the orders that people have changed in a Bitable.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule=[orders],
    tags=["lark", "example"],
) as dag:

    @task
    def handle(triggering_asset_events: Any = None) -> dict[str, str]:
        """Return the outcome of each order. A run may bring several events, in any order."""
        return {
            record["record_id"]: record["change"]
            for event in triggering_asset_events[orders]
            for record in event.extra["payload"]["records"]
        }

    handle()
# [END record_events]
