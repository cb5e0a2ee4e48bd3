"""Read a table, load it into a Bitable, and send a summary to a chat.

Runs as is: `airflow dags test etl_to_lark --conf '{"chat_id": …, "app_token": …, "table_id": …}'`,
with a connection `lark_default` whose app may edit the base and is in the chat. The table needs the fields
that `read_flights` yields.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from lark_provider.operators.bitable import LarkBitableBulkInsertOperator
from lark_provider.operators.message import LarkSendMessageOperator

FLIGHTS = Path(__file__).parent / "data" / "flights_2013-01-01.csv"


# [START read_flights]
def read_flights() -> Iterator[dict[str, Any]]:
    """Yield one day of flights out of New York, a record at a time, in Python's own types."""

    def number(text: str) -> int | None:
        return None if text == "NA" else int(text)

    with FLIGHTS.open(newline="") as file:
        for row in csv.DictReader(file):
            yield {
                "Flight": f"{row['carrier']} {row['flight']}",
                "Hour": pendulum.parse(row["time_hour"]),
                "Carrier": row["carrier"],
                "From": row["origin"],
                "To": row["dest"],
                "Departure delay": number(row["dep_delay"]),
                "Arrival delay": number(row["arr_delay"]),
                "Miles": int(row["distance"]),
                "Cancelled": row["dep_time"] == "NA",
            }


# [END read_flights]


# [START etl_to_lark]
with DAG(
    "etl_to_lark",
    description="A day of flights into a Bitable, and a summary into a chat.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule="@daily",
    catchup=False,
    params={
        "chat_id": Param("oc_your_chat", type="string", description="Where to send the summary"),
        "app_token": Param("your_base", type="string", description="The base to load into"),
        "table_id": Param("tbl_your_table", type="string", description="Its table"),
    },
    render_template_as_native_obj=True,
    tags=["lark", "example"],
) as dag:

    @task
    def etl_task() -> dict[str, Any]:
        """Summarise the day."""
        flights = list(read_flights())
        delays = [row["Departure delay"] for row in flights if row["Departure delay"] is not None]
        carriers = [row["Carrier"] for row in flights]
        return {
            "row_count": len(flights),
            "cancelled": sum(row["Cancelled"] for row in flights),
            "mean_delay": round(sum(delays) / len(delays), 1),
            "top": sorted({(carriers.count(carrier), carrier) for carrier in carriers}, reverse=True)[:3],
        }

    load_to_lark = LarkBitableBulkInsertOperator(
        task_id="load_to_lark",
        app_token="{{ params.app_token }}",  # noqa: S106 - a template
        table_id="{{ params.table_id }}",
        records=read_flights,
    )

    tell = LarkSendMessageOperator(
        task_id="tell",
        receiver_id="{{ params.chat_id }}",
        content="✅ ETL 完成! 数据量: {{ ti.xcom_pull(task_ids='etl_task')['row_count'] }}",
    )

    @task
    def summary_card(summary: dict[str, Any], loaded: dict[str, int]) -> dict[str, Any]:
        """Put the summary on a card (card JSON 2.0)."""
        top = "\n".join(f"- **{carrier}** {count} flights" for count, carrier in summary["top"])
        return {
            "schema": "2.0",
            "header": {
                "title": {"tag": "plain_text", "content": "Flights out of New York, 1 January 2013"},
                "template": "green",
            },
            "body": {
                "elements": [
                    {
                        "tag": "markdown",
                        "content": f"**{loaded['written']}** rows loaded, "
                        f"**{summary['cancelled']}** cancelled, mean delay **{summary['mean_delay']} min**",
                    },
                    {"tag": "markdown", "content": top},
                ]
            },
        }

    send_summary = LarkSendMessageOperator(
        task_id="send_summary",
        receiver_id="{{ params.chat_id }}",
        msg_type="interactive",
        content=summary_card(etl_task(), load_to_lark.output),  # type: ignore[arg-type]  # an XCom
    )

    load_to_lark >> tell >> send_summary
# [END etl_to_lark]
