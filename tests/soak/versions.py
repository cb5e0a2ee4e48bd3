"""Bridge and plugin of different versions, and the upgrade of each while questions are open.

`.venv/bin/python -m tests.soak.versions --old COMMIT` takes the older package from git. First an older bridge
works with the plugin of this checkout, then this checkout's bridge with an older plugin; each works, and is
then upgraded while a question is open and a click is on its way. Each question must show bob's answer on its
card and in Airflow, from exactly one click, and what differs must be named in the log and by `airflow check`.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from lark_provider import __version__
from tests.airflow.click_site import ClickSite, Question, click_site
from tests.package.environments import ROOT
from tests.services import postgres
from tests.services.processes import end_on_sigterm
from tests.soak.saying import say

_OLD = "68ff728"
"""Of 26 November 2026: before chat commands, escalations and the plans of clicks."""
_SAID = "API server has another version of this package"


def older(folder: Path, commit: str) -> tuple[str, dict[str, str]]:
    """Return the version of the package of a commit, and the environment of processes that use it."""
    archive = subprocess.run(  # noqa: S603 - ours
        ["git", "archive", commit, "lark_provider", "migrations"],  # noqa: S607 - the developer's own
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    # The second one keeps the folder in which a process is started from coming first.
    environment = {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    version = subprocess.run(
        [sys.executable, "-c", "import lark_provider; print(lark_provider.__version__)"],
        env={**os.environ, **environment}, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    assert version != __version__, f"{commit} has this version, too"
    return version, environment


class Versions:
    """One run.

    Args:
        site: Everything.
    """

    def __init__(self, site: ClickSite) -> None:
        self.site = site
        self.problems: list[str] = []

    def work(self, name: str) -> None:
        """Answer a question by two clicks, of which one counts."""
        question = self.site.ask()
        for option in ("Approve", "Reject"):
            if refusal := self.site.click(question, option):
                self.problems.append(f"{name}: refused: {refusal}")
        self._compare(name, question, ["answered", "already_answered"])

    def upgrade_bridge(self, name: str) -> None:
        """Click while the bridge is replaced."""
        pending, clicked = self.site.ask(), self.site.ask()
        with self.site.down("bridge"):
            self.site.click(clicked)
        self.site.restart_bridge({})
        self._finish(name, pending, clicked)

    def upgrade_server(self, name: str) -> None:
        """Click while the API server is replaced."""
        pending, clicked = self.site.ask(), self.site.ask()
        self.site.server.kill()
        self.site.click(clicked)
        self.site.restart_server({})
        self._finish(name, pending, clicked)

    def _finish(self, name: str, pending: Question, clicked: Question) -> None:
        self._compare(f"{name}, clicked before", clicked, ["answered"])
        self.site.click(pending)
        self._compare(f"{name}, asked before", pending, ["answered"])

    def _compare(self, name: str, question: Question, wanted: list[str]) -> None:
        self.site.wait(lambda: self.site.shows_answer(question), 300)
        self.site.wait(lambda: len(self.site.outcomes(question)) == len(wanted), 300)
        if (outcomes := self.site.outcomes(question)) != wanted:
            self.problems.append(f"{name}: {outcomes}")
        say(f"{name}: {outcomes}")


def main() -> int:
    """Run it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--old", default=_OLD, help="a commit of this repository")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bridge-versions-"))
    version, old = older(home / "older", args.old)
    say(f"older: {version} of {args.old}; this: {__version__}")
    with click_site(home, postgres.find(os.environ).server, of_bridge=old) as site:
        run = Versions(site)
        run.work(f"bridge {version}, plugin {__version__}")
        run.upgrade_bridge("bridge upgraded")
        site.restart_server(old)
        run.work(f"bridge {__version__}, plugin {version}")
        site.wait(lambda: _SAID in site.log("bridge"))
        check = site.check()["API servers"]
        say(f"airflow check: {check['status']}: {check['text']}")
        if check["status"] != "warning" or "finish the upgrade" not in check["text"]:
            run.problems.append(f"airflow check says {check}")
        run.upgrade_server("plugin upgraded")
        say("\n".join([*run.problems, f"{len(run.problems)} problems; logs in {home}"]))
        return min(len(run.problems), 1)


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
