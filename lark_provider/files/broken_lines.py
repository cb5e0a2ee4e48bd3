"""Report all broken lines of a text file at once, so that the file can be repaired in one go."""

from __future__ import annotations

from dataclasses import dataclass, field

from lark_provider.files.formats import FileError

_MAX_NAMED = 20


@dataclass(slots=True)
class BrokenLines:
    """The broken lines of a file.

    After the first one, a reader yields no more rows, so that no later row is written; it continues to read
    in order to find the others.

    Attributes:
        name: The file's name.
        count: How many broken lines have been read so far.
    """

    name: str
    count: int = 0
    _named: list[str] = field(default_factory=list)

    def add(self, number: int, problem: str) -> None:
        """Note a broken line.

        Args:
            number: Its number, from 1.
            problem: What is wrong with it, without a full stop.
        """
        self.count += 1
        if len(self._named) < _MAX_NAMED:
            self._named.append(f"line {number}: {problem}")

    def check(self) -> None:
        """Check that there are no broken lines.

        Raises:
            FileError: There are some; the text names the first ones, and says how many more there are.
        """
        if not self.count:
            return
        more = self.count - len(self._named)
        lines = "; ".join(self._named) + (f"; and {more:,} more broken lines" if more else "")
        what = "this line" if self.count == 1 else "these lines"
        raise FileError(f"{self.name}, {lines}. Next: fix {what} in the file, or export it again.")
