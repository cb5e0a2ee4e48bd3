"""The maximum size of a card about Airflow, and limits on its parts that keep the card of a failure below."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BYTES = 28 * 1024
"""Lark takes 30 KB. The rest is left for mentions, and for the mark of a redirected message, which are added
later."""
MAX_LISTED = 20
"""The most failed tasks that a card names."""


@dataclass(frozen=True, slots=True)
class CardLimits:
    """The most that the card of a failure shows of each part.

    Attributes:
        traceback: Characters of the traceback.
        listed: Failed tasks in the list; the others are counted.
        error: Characters of an error in the list.
        list_url: The longest link in the list; a longer one is left out.
        muted: Tasks in the menu that mutes them.
        value: Characters of a value at the top of the card.
        url: The longest link of the event; a longer one is left out.
        deeds: Lines about what was done from the card; the others are counted.
        deed: Characters of such a line.
    """

    traceback: int = 4_000
    listed: int = MAX_LISTED
    error: int = 160
    list_url: int = 600
    muted: int = 10
    value: int = 600
    url: int = 8_000
    deeds: int = 50
    deed: int = 500


STEPS = (
    *(CardLimits(traceback=4_000 >> halved) for halved in range(7)),
    *(CardLimits(62, error=error) for error in (80, 40)),
    *(CardLimits(62, listed, error=40, muted=muted) for listed, muted in ((10, 5), (5, 3))),
    CardLimits(62, listed=5, error=40, list_url=300, muted=3, value=200, url=2_000, deeds=10, deed=200),
    CardLimits(31, listed=3, error=20, list_url=200, muted=1, value=80, url=200, deeds=5, deed=60),
)
"""Limits to try in turn, from the largest to the smallest. Whatever the texts are, a card with the last ones
is within `MAX_BYTES`: a character takes at most six bytes, as `\\u0001` in JSON or `&#42;` in Markdown."""
