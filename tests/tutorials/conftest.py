"""Where a reader sits: an empty machine with Python, and our wheels as if its package index had them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from lark_provider import __version__
from tests.package.environments import EMULATOR, ROOT, build_wheel, environment, read_locked
from tests.services.processes import free_port
from tests.tutorials.following import PAGES, Reader

Open = Callable[..., Reader]
AIRFLOWS_CONSTRAINTS = (
    "https://raw.githubusercontent.com/apache/airflow/constraints-${AIRFLOW_VERSION}/"
    "constraints-${PYTHON_VERSION}.txt"
)


@pytest.fixture(scope="session")
def constraints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write constraints for pip beside the wheels of this checkout: these, and everything else as locked."""
    folder = tmp_path_factory.mktemp("index")
    ours = [
        f"{build_wheel(project, folder).name.partition('-')[0]}=={__version__}"
        for project in (ROOT, EMULATOR)
    ]
    file = folder / "constraints.txt"
    file.write_text("\n".join([*ours, *read_locked().values()]))
    return file


@pytest.fixture(scope="session")
def installed(constraints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create an environment that has the package alone, and return its folder of programs."""
    (wheel,) = constraints.parent.glob("airflow_provider_lark-*.whl")
    return environment(tmp_path_factory.mktemp("installed") / "venv", wheel)


@pytest.fixture
def opened(tmp_path: Path, constraints: Path) -> Iterator[Open]:
    """Open a page: its name, variables of the machine, what to read in place of its words, programs."""
    with ExitStack() as stack:

        def open_page(
            name: str, env: Mapping[str, str], changes: Mapping[str, str], programs: Path | None = None
        ) -> Reader:
            folder = tmp_path / "reader"
            folder.mkdir()
            first = "" if programs is None else f"{programs}:"
            kept = {
                key: value for key, value in os.environ.items() if key.startswith("PIP_") or key == "LANG"
            }
            machine = {
                **kept,
                "HOME": str(tmp_path),
                "PATH": f"{first}{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin",
                "PIP_CONSTRAINT": str(constraints),
                "PIP_FIND_LINKS": f"{os.environ.get('PIP_FIND_LINKS', '')} {constraints.parent}".strip(),
                "PYTHONWARNINGS": "ignore",
                **env,
            }
            changed = {AIRFLOWS_CONSTRAINTS: str(constraints), **changes}
            return stack.enter_context(closing(Reader(PAGES / name, folder, machine, changed)))

        yield open_page


@pytest.fixture
def port() -> int:
    """Return a free port, for what listens at a fixed one in the page."""
    return free_port()
