"""All broken lines of a text file in one report: anyone who repairs the file wants to see them at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from lark_provider.files.formats import FileError

_MAX_NAMED = 20


@dataclass(slots=True)
class BrokenLines:
    """The broken lines of a file.

    From the first one on, a reader yields no more rows, so that no row behind it is written; it goes on
    reading to find the others.

    Attributes:
        name: The file's name.
        count: How many broken lines were read so far.
    """

    name: str
    count: int = 0
    _named: list[str] = field(default_factory=list)

    def add(self, number: int, problem: str) -> None:
        """Note a line.

        Args:
            number: Its number, from 1.
            problem: What is wrong, without a full stop.
        """
        self.count += 1
        if len(self._named) < _MAX_NAMED:
            self._named.append(f"line {number}: {problem}")

    def check(self) -> None:
        """Check that there are none.

        Raises:
            FileError: It names the first ones, and how many there are.
        """
        if not self.count:
            return
        more = self.count - len(self._named)
        lines = "; ".join(self._named) + (f"; and {more:,} more broken lines" if more else "")
        what = "this line" if self.count == 1 else "these lines"
        raise FileError(f"{self.name}, {lines}. Next: fix {what} in the file, or export it again.")
