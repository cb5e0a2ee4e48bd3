"""Chinese for texts of the code, by the English text: a text that is changed has no Chinese until it is translated again."""

from __future__ import annotations

from collections.abc import Mapping

from website.layout import Language, SiteError


class Translation:
    """What one kind of texts is called in Chinese.

    Args:
        place: The file of the translations, for errors.
        texts: Chinese by English.
        endings: Chinese of sentences with which several English texts end.
    """

    def __init__(
        self, place: str, texts: Mapping[str, str], endings: Mapping[str, str] | None = None
    ) -> None:
        self._place, self._texts, self._endings = place, texts, endings or {}
        self._used: set[str] = set()

    def say(self, language: Language, english: str) -> str:
        """Return a text in a language.

        Raises:
            SiteError: It has no Chinese. It is an error of the English page, too.
        """
        chinese = self._chinese(english)
        return chinese if language.code == "zh" else english

    def check(self) -> None:
        """Check that every translation was asked for.

        Raises:
            SiteError: One is of a text that the code does not have any more.
        """
        if unused := sorted((self._texts.keys() | self._endings.keys()) - self._used):
            raise SiteError(
                f"The code has no text {unused[0]!r}. Next: change or remove it in {self._place}."
            )

    def _chinese(self, english: str) -> str:
        if english in self._texts:
            self._used.add(english)
            return self._texts[english]
        for ending, chinese in self._endings.items():
            if english.endswith(ending):
                self._used.add(ending)
                before = english.removesuffix(ending).rstrip()
                return (self._chinese(before) if before else "") + chinese
        if not english:
            return ""
        raise SiteError(f"No Chinese for {english!r}. Next: add it to {self._place}.")
