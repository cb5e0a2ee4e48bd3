from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from lark_provider.bridge.routes import Routes, RoutesFile
from lark_provider.errors import ConfigurationError

GOOD, BETTER = "routes: [{dag: '*', to: oc_1}]", "routes: [{dag: '*', to: oc_2}]"


def receivers(file: RoutesFile) -> list[str]:
    return [recipient.receiver for recipient in file.read_current().for_failure("d", (), (), "t")]


def test_a_change_is_seen_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "lark.yaml"
    path.write_text(GOOD)
    file = RoutesFile(str(path))
    assert receivers(file) == ["oc_1"]
    other = tmp_path / "other"
    other.write_text(BETTER)
    same = path.stat()
    os.utime(other, ns=(same.st_atime_ns, same.st_mtime_ns))
    other.rename(path)  # of the same size and time
    assert receivers(file) == ["oc_2"]


def test_a_broken_file_keeps_the_old_routes_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "lark.yaml"
    path.write_text(GOOD)
    file = RoutesFile(str(path))
    for broken in ("routes: [", "", "\n", None):
        caplog.clear()
        path.unlink()
        if broken is not None:
            path.write_text(broken)
        for _ in range(3):
            assert receivers(file) == ["oc_1"]
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1
        assert ". Next: " in vars(errors[0])["reason"]
        path.write_text(GOOD)
        assert receivers(file) == ["oc_1"]
    path.write_text(BETTER)
    assert receivers(file) == ["oc_2"]


def test_a_broken_or_missing_file_is_an_error_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lark.yaml"
    monkeypatch.setenv("LARK_ROUTES_PATH", str(path))
    with pytest.raises(ConfigurationError, match=r"Cannot read .*lark\.yaml"):
        RoutesFile.from_environment()
    path.write_text("routes:\n- {}")
    with pytest.raises(ConfigurationError, match=r"(?s)lark\.yaml is invalid:\nLine 2: .*Next: "):
        RoutesFile.from_environment()


def test_without_a_file_there_are_no_routes() -> None:
    assert RoutesFile.from_environment().read_current() == Routes()


def test_without_pyyaml_the_error_names_the_extra(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "lark.yaml").write_text(GOOD)
    code = (
        "import sys; sys.modules['yaml'] = None\n"
        "from lark_provider.bridge.routes import RoutesFile\n"
        f"RoutesFile({str(tmp_path / 'lark.yaml')!r})"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert "pip install 'airflow-provider-lark[bridge]'" in done.stderr
