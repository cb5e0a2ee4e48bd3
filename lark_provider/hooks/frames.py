"""Bitable tables as data frames of pandas or polars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from lark_provider.errors import ConfigurationError

FrameType: TypeAlias = Literal["pandas", "polars"]


def frame(rows: Iterable[Mapping[str, Any]], columns: list[str], df_type: FrameType) -> Any:
    """Make a frame, with every column of the table even if no row has a value there.

    Args:
        rows: Values by column.
        columns: All columns, in order.
        df_type: `pandas` or `polars`.

    Raises:
        ConfigurationError: The library is not installed, or the name is another.
    """
    complete = [{column: row.get(column) for column in columns} for row in rows]
    try:
        if df_type == "pandas":
            import pandas as pd  # noqa: PLC0415 - an extra

            return pd.DataFrame(complete, columns=columns)
        if df_type == "polars":
            import polars as pl  # noqa: PLC0415 - an extra

            return pl.DataFrame(complete, schema=columns, infer_schema_length=None)
    except ImportError as error:
        raise ConfigurationError(
            f"get_df needs {df_type}. Next: install 'airflow-provider-lark[{df_type}]'."
        ) from error
    raise ConfigurationError(f"df_type is {df_type!r}. Next: use 'pandas' or 'polars'.")
