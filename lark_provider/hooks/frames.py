"""Convert records of a Bitable table or rows of a worksheet to data frames of pandas or polars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from lark_provider.errors import ConfigurationError

FrameType: TypeAlias = Literal["pandas", "polars"]
_NUMBERS = frozenset({int, float})
_TEXTS = frozenset({str, int, float, bool})
"""The types that polars writes as text where some values of a column are texts."""


def make_frame(rows: Iterable[Mapping[str, Any]], columns: list[str], df_type: FrameType) -> Any:
    """Return a data frame that has every column of the table, even one without a value in any row.

    A column whose values have no type in common, such as links beside texts, holds Python objects.

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

            return pl.DataFrame([_make_series(pl, name, [row[name] for row in complete]) for name in columns])
    except ImportError as error:
        raise ConfigurationError(
            f"get_df needs {df_type}, which is not installed. Next: install "
            f"'airflow-provider-lark[{df_type}]'."
        ) from error
    raise ConfigurationError(
        f"df_type must be 'pandas' or 'polars', got {df_type!r}. Next: pass the name of the library that is "
        "installed here."
    )


def _make_series(pl: Any, name: str, values: list[Any]) -> Any:
    """Return a column of a polars frame; of Python objects if its values have no type in common.

    Left to itself, polars makes a number of a date beside numbers, and drops numbers beside an object, such
    as the one that stands for an error in a worksheet.
    """
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 or kinds <= _NUMBERS or (str in kinds and kinds <= _TEXTS):
        with suppress(pl.exceptions.PolarsError):
            rows = [{name: value} for value in values]
            return pl.DataFrame(rows, schema=[name], infer_schema_length=None).to_series()
    return pl.Series(name, values, dtype=pl.Object)
