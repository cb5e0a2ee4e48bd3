"""Convert records of a Bitable table or rows of a worksheet to data frames of pandas or polars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from lark_provider.errors import ConfigurationError

FrameType: TypeAlias = Literal["pandas", "polars"]


def make_frame(rows: Iterable[Mapping[str, Any]], columns: list[str], df_type: FrameType) -> Any:
    """Return a data frame that has every column of the table, even one without a value in any row.

    Args:
        rows: The rows, each a mapping of values by column.
        columns: The names of all columns, in order.
        df_type: `pandas` or `polars`.

    Raises:
        ConfigurationError: The library is not installed, or `df_type` is unknown.
    """
    complete = [{column: row.get(column) for column in columns} for row in rows]
    try:
        if df_type == "pandas":
            import pandas as pd  # an extra

            return pd.DataFrame(complete, columns=columns)
        if df_type == "polars":
            import polars as pl  # an extra

            return pl.DataFrame(complete, schema=columns, infer_schema_length=None)
    except ImportError as error:
        raise ConfigurationError(
            f"get_df needs {df_type}, which is not installed. Next: install "
            f"'airflow-provider-lark[{df_type}]'."
        ) from error
    raise ConfigurationError(
        f"df_type must be 'pandas' or 'polars', got {df_type!r}. Next: pass the name of the library that is "
        "installed here."
    )
