"""Processes that fork: one scrape shows all workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.metrics.forking import EACH, WORKERS

ROOT = Path(__file__).parents[2]


def run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    command = [sys.executable, *(("-m", code) if code.startswith("tests.") else ("-c", code))]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - ours


def test_the_counts_of_all_workers_are_in_one_scrape_and_no_fork_hangs(tmp_path: Path) -> None:
    done = run("tests.metrics.forking", PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    codes, _, text = done.stdout.partition("\n")
    assert codes == str([0] * WORKERS)
    assert f'lark_calls_total{{app="cli_1",outcome="ok"}} {WORKERS * EACH:.1f}' in text
    assert f"lark_token_wait_seconds_count {WORKERS * EACH:.1f}" in text
    assert 'lark_retries_total{app="parent",reason="busy"}' in text


def test_without_a_folder_each_process_counts_for_itself() -> None:
    done = run("tests.metrics.forking")
    assert done.returncode == 0, done.stderr
    assert "lark_calls_total{" not in done.stdout
    assert 'lark_retries_total{app="parent",reason="busy"}' in done.stdout


def test_a_folder_that_is_missing_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    code = "from lark_provider import metrics; metrics.start()"
    done = run(code, PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "missing"))
    assert "ConfigurationError: PROMETHEUS_MULTIPROC_DIR must be a folder that exists" in done.stderr


def test_without_prometheus_client_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['prometheus_client'] = None; from lark_provider import metrics; "
    code += "metrics.start()"
    assert "install 'airflow-provider-lark[metrics]'" in run(code).stderr
