"""The guide's section 5: apps, by the command line and by Python."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider import ConfigurationError, LarkServiceClient
from lark_provider.cli.output import compute_width
from lark_provider.core.storage.sqlite_storage import ApplicationManager
from tests.guide.arrived import open_id, read_texts
from tests.guide.reader import Reader

ADD = """
# 添加第一个应用
python -m lark_provider.cli app add \\
  --app-id "cli_your_app_id" \\
  --app-secret "your_app_secret" \\
  --name "生产应用" \\
  --description "用于生产环境"
"""
LIST = """
# 查看已添加的应用
python -m lark_provider.cli app list
"""
PRINTED = """
# ┌──────────────────┬──────────┬────────┬─────────────────────┐
# │ App ID           │ Name     │ Status │ Created At          │
# ├──────────────────┼──────────┼────────┼─────────────────────┤
# │ cli_your_app_id  │ 生产应用 │ Active │ 2026-01-15 10:30:00 │
# └──────────────────┴──────────┴────────┴─────────────────────┘
"""
CREATE = """
from lark_provider.core.storage.sqlite_storage import ApplicationManager

# 初始化应用管理器
app_manager = ApplicationManager()

# 添加应用配置
app_manager.create_application(
    app_id="cli_your_app_id",
    app_secret="your_app_secret",
    name="生产应用",
    description="用于生产环境"
)

print("应用配置已添加!")
"""
ON_A_TERMINAL = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"


def parse_cells(printed: str) -> list[list[str]]:
    """Return the cells of a printed table, row by row."""
    lines = [line for line in printed.splitlines() if "│" in line]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


def secret() -> str:
    """Return the app's secret from the registry."""
    return ApplicationManager().decrypt_secrets("cli_your_app_id").app_secret


def without_secret(options: str = "") -> str:
    """Return the guide's command with `options` in place of the secret."""
    return ADD.replace('  --app-secret "your_app_secret" \\\n', options)


def test_guide_34_app_add(reader: Reader) -> None:
    done = reader.run(ADD)
    assert "cli_your_app_id" in done.stdout
    assert "your_app_secret" not in done.stdout + done.stderr
    app = ApplicationManager().get_application("cli_your_app_id")
    assert (app.name, app.description, app.active) == ("生产应用", "用于生产环境", True)
    assert secret() == "your_app_secret"


@pytest.mark.parametrize("way", ["env:MY_SECRET", "-"])
def test_guide_34_app_add_with_a_secret_that_ps_does_not_show(
    way: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "your_app_secret")
    reader.run(without_secret(f"  --app-secret {way} \\\n"), stdin="your_app_secret\n")
    assert secret() == "your_app_secret"


def test_guide_34_app_add_asks_a_terminal_for_the_secret(reader: Reader) -> None:
    with subprocess.Popen(  # noqa: S603 - the guide's command
        [sys.executable, "-c", ON_A_TERMINAL, "bash", "-c", without_secret()],
        env=reader.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown = ""
        while not shown.endswith(": "):
            shown += process.stdout.read(1)
        process.stdin.write("your_app_secret\n")
        process.stdin.flush()
        shown += process.stdout.read()
    assert process.returncode == 0, shown
    assert "your_app_secret" not in shown
    assert secret() == "your_app_secret"


def test_guide_35_app_list(reader: Reader) -> None:
    apps, longest = ApplicationManager(), "cli_" + "9" * 251
    apps.create_application("cli_your_app_id", "your_app_secret", "生产应用")
    printed = reader.run(LIST).stdout
    head, row = parse_cells(printed)
    assert [head, row[:3]] == [parse_cells(PRINTED)[0], parse_cells(PRINTED)[1][:3]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[3])
    apps.create_application(longest, "s", "English, 中文, ｶﾅ, é")
    printed = reader.run(LIST).stdout
    assert parse_cells(printed)[2][0] == longest
    bars = {
        tuple(compute_width(line[: bar.start()]) for bar in re.finditer("[│┌┬┐├┼┤└┴┘]", line))
        for line in printed.splitlines()
    }
    assert len(bars) == 1, "the columns do not stand in line"
    listed = json.loads(reader.run(f"{LIST.rstrip()} --json").stdout)
    assert [(app["app_id"], app["active"]) for app in listed] == [("cli_your_app_id", True), (longest, True)]


def test_guide_36_the_manager_takes_no_arguments(reader: Reader) -> None:
    assert reader.python(CREATE).stdout == "应用配置已添加!\n"
    assert secret() == "your_app_secret"


def test_guide_37_adding_what_exists_offers_the_update(reader: Reader) -> None:
    exec(CREATE, {})  # noqa: S102 - the guide's code
    with pytest.raises(ConfigurationError, match=r"in the registry already.*app update.*update_application"):
        ApplicationManager().create_application(
            app_id="cli_your_app_id", app_secret="another", name="生产应用", description="用于生产环境"
        )
    (line,) = reader.run(ADD, code=1).stderr.splitlines()
    assert "app update" in line
    assert secret() == "your_app_secret"
    reader.run("python -m lark_provider.cli app update cli_your_app_id --app-secret another")
    assert secret() == "another"


def test_guide_38_one_store_where_no_secret_stands_in_clear(reader: Reader, lark: Emulator) -> None:
    """Added by the one, read by the other; printed by none."""
    reader.run(ADD)
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello")
    assert read_texts(lark) == ["Hello"]
    ApplicationManager().create_application("cli_airflow_app", "your_app_secret")
    commands = ("list --json", "show cli_airflow_app")
    shown = reader.run("\n".join(f"python -m lark_provider.cli app {command}" for command in commands))
    assert "cli_airflow_app" in shown.stdout
    assert "your_app_secret" not in shown.stdout + shown.stderr
    for path in Path("config").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"your_app_secret" not in path.read_bytes()


def test_guide_39_the_store_is_config_applications_db(reader: Reader) -> None:
    reader.run(LIST)
    assert not (reader.folder / "config").exists(), "made with the first app"
    reader.run(ADD)
    assert [path.name for path in (reader.folder / "config").iterdir()] == ["applications.db"]
