"""Each part that a click goes through is down for a minute in turn, while a person clicks on questions.

`.venv/bin/python -m tests.soak.outages --seconds 60`: a real API server, bridge, gateway and pump, with a
broker and a database of their own. During each outage one question is clicked on at its beginning, one in its
middle and one at its end. A click that is refused must say why, and is repeated after the outage. Each
question must then show bob's answer on its card and in Airflow, from exactly one click.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.airflow.click_site import ClickSite, Question, click_site
from tests.services import postgres
from tests.services.processes import end_on_sigterm
from tests.soak.saying import say

_OUTAGES = (
    ("broker",),
    ("frozen broker",),
    ("database",),
    ("gateway",),
    ("pump",),
    ("bridge",),
    ("pump", "bridge"),
    ("API server",),
    ("broker", "database"),
)
_CLICKS = 3
_SECONDS = 300.0


def outage(site: ClickSite, parts: tuple[str, ...], seconds: float) -> list[str]:
    """Take parts down for a time while bob clicks, and return what is wrong afterwards."""
    questions = [site.ask() for _ in range(_CLICKS)]
    refused: list[tuple[Question, str]] = []
    with site.down(*parts):
        began = time.monotonic()
        for number, question in enumerate(questions):
            time.sleep(max(0.0, began + seconds * number / (_CLICKS - 1) - time.monotonic()))
            if refusal := site.click(question):
                refused.append((question, refusal))
    began = time.monotonic()
    for question, _ in refused:
        site.wait(lambda: not site.click(question), _SECONDS)  # noqa: B023 - called now
    problems = []
    for question in questions:
        site.wait(lambda: site.shows_answer(question), _SECONDS)  # noqa: B023 - called now
        if (outcomes := site.outcomes(question)) != ["answered"]:
            problems.append(f"{parts}: {outcomes}")
    say(
        f"{' and '.join(parts)} down for {seconds:.0f} s: "
        f"{_CLICKS - len(refused)} of {_CLICKS} clicks taken, all shown "
        f"{time.monotonic() - began:.1f} s after it; {[reason for _, reason in refused]}"
    )
    return problems


def main() -> int:
    """Run it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each outage lasts")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bridge-outages-"))
    with click_site(home, postgres.find(os.environ).server) as site:
        problems = [problem for parts in _OUTAGES for problem in outage(site, parts, args.seconds)]
        say("\n".join([*problems, f"{len(problems)} problems; logs in {home}"]))
        return min(len(problems), 1)


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
