"""Texts in Chinese and in English, with placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from lark_provider.protocol.language import LANGUAGES, Language

Texts: TypeAlias = Mapping[str, tuple[str, str]]
"""Texts by key, in the order of `LANGUAGES`."""


class Translate(Protocol):
    """Returns a text in a language."""

    def __call__(self, language: Language, key: str, **values: object) -> str:
        """Return a text.

        Args:
            language: `zh` or `en`.
            key: The key of the text.
            values: The values of the text's placeholders, by name.

        Raises:
            KeyError: There is no such text.
        """


def make_translator(texts: Texts) -> Translate:
    """Return a function that translates the keys of some texts."""

    def translate(language: Language, key: str, **values: object) -> str:
        return texts[key][LANGUAGES.index(language)].format(**values)

    return translate
