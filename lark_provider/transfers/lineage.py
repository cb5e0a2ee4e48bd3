"""The SQL side of a transfer, as OpenLineage names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.transfers.database import get_sql_hook


def list_read_tables(sql: str, conn_id: str, hook_params: Mapping[str, Any] | None) -> list[Any]:
    """Return the tables that a query reads, or none if the provider of the database does not tell.

    Args:
        sql: The query.
        conn_id: The connection.
        hook_params: Further arguments for the hook.
    """
    from airflow.providers.openlineage.sqlparser import get_openlineage_facets_with_sql

    hook = get_sql_hook(conn_id, hook_params)
    lineage = get_openlineage_facets_with_sql(
        hook=hook, sql=sql, conn_id=conn_id, database=None, use_connection=False
    )
    return [] if lineage is None else list(lineage.inputs)


def list_written_tables(table: str, conn_id: str, hook_params: Mapping[str, Any] | None) -> list[Any]:
    """Return a SQL table that is written, or none if the provider of the database does not tell.

    Args:
        table: The name, with its schema if needed.
        conn_id: The connection.
        hook_params: Further arguments for the hook.
    """
    from airflow.providers.openlineage.sqlparser import get_openlineage_facets_with_sql

    lineage = get_openlineage_facets_with_sql(
        hook=get_sql_hook(conn_id, hook_params),
        sql=f"DELETE FROM {table}",  # noqa: S608 - it is parsed and never run
        conn_id=conn_id,
        database=None,
        use_connection=False,
    )
    return [] if lineage is None else list(lineage.outputs)
