"""The languages of texts for people, such as the cards about Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

Language: TypeAlias = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LocalizedText: TypeAlias = Mapping[str, str]
"""A text for people, by language: `zh` and `en`."""
