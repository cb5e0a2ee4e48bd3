"""The environments in which the rows are measured: each has what the documentation says to install.

Made by pip, as pip is configured, with the versions of the development lock, when a row first asks for one.
The programs that measure (the stub, those who click) run in the development environment.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.package.environments import ROOT, build_wheel, environment, read_locked

COMMUNITY, COMMUNITY_VERSION = "feishu-bot-sdk", "0.13.0"
"""A client that others wrote and published."""
ONESTEP = "onestep-feishu-bitable==0.6.1"
"""Another one, which keeps tables in step by key."""
_OURS = "{wheel}"
WANTED: dict[str, tuple[str, ...]] = {
    "ours": (_OURS,),
    "typed": ("lark-oapi",),
    "plain": ("lark-oapi",),
    "hand": ("httpx2", "orjson"),
    "hand, ledger": ("httpx2", "orjson", "psycopg2-binary"),
    "community": (f"{COMMUNITY}=={COMMUNITY_VERSION}", "httpx"),
    "onestep": (ONESTEP,),
    "airflow": (f"{_OURS}[airflow]",),
    "airflow, typed": ("apache-airflow", "apache-airflow-providers-standard", "lark-oapi"),
    "gateway": (f"{_OURS}[gateway]",),
}
"""What is installed for whom: the contenders, DAG files with ours and with the SDK, and the gateway."""


class Environments:
    """Environments that are made when they are asked for.

    Args:
        folder: Where; the caller removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, ...], Path] = {}
        self._wheel: Path | None = None

    def python(self, name: str) -> Path:
        """Return the interpreter of an environment of `WANTED`, which the first call makes.

        Raises:
            AssertionError: It could not be made; the message ends with pip's output.
        """
        wanted = WANTED[name]
        if wanted not in self._made:
            sys.stderr.write(f"Installing {', '.join(wanted).format(wheel='airflow-provider-lark')} …\n")
            requirements = [requirement.format(wheel=self._build_wheel()) for requirement in wanted]
            place = self._folder / f"environment-{len(self._made)}"
            self._made[wanted] = environment(place, *requirements, pins=read_locked()) / "python"
        return self._made[wanted]

    def has(self, name: str) -> bool:
        """Return whether an environment can be made; if not, write the reason to the standard error."""
        try:
            self.python(name)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"{name} could not be installed, so its column stays empty: {error}\n")
            return False
        return True

    def _build_wheel(self) -> Path:
        if self._wheel is None:
            self._wheel = build_wheel(ROOT, self._folder)
        return self._wheel
