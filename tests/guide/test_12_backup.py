"""The guide's section 12: backup and restore."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.storage import migrate, urls
from lark_provider.storage.applications import ApplicationManager
from tests.guide.arrived import open_id, read_texts, token_requests
from tests.guide.reader import DATABASE, LARK, Database, Reader

DUMP = """
# 备份数据库
pg_dump -U lark -d lark_service > backup_$(date +%Y%m%d).sql
"""
RESTORE = """
# 恢复数据库
psql -U lark -d lark_service < backup_20260115.sql
"""
COPY = """
# 备份应用配置数据库
cp config/applications.db config/applications.db.backup_$(date +%Y%m%d)
"""
COPY_BACK = """
# 恢复
cp config/applications.db.backup_20260115 config/applications.db
"""
CLI = "python -m lark_provider.cli db backup"


def send(lark: Emulator) -> None:
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello")


@pytest.mark.parametrize("way", ["guide", "command"])
def test_guide_73_a_dump_is_restored_and_the_library_works(
    way: str, reader: Reader, upgraded: Database, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apps, tokens and people are there again, and new ones can be added."""
    monkeypatch.setenv("LARK_REGISTRY_PATH", upgraded.server.build_url(DATABASE, LARK))
    ApplicationManager().create_application("cli_your_app_id", "your_app_secret", "生产应用")
    send(lark)
    reader.run(DUMP if way == "guide" else f"{CLI} backup_20260115.sql")
    dump = next(reader.folder.glob("backup_*.sql"))
    dump.rename(reader.folder / "backup_20260115.sql")
    upgraded.server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    upgraded.server.execute(f"CREATE DATABASE {DATABASE} OWNER lark TEMPLATE template0")
    assert reader.run(RESTORE).stderr == ""
    assert migrate.find_differences(urls.database()) == []
    reader.python(
        "from lark_provider import LarkServiceClient\n"
        "with LarkServiceClient(app_id='cli_your_app_id') as client:\n"
        f"    client.messaging.send_text({open_id(lark)!r}, 'restored')\n"
    )
    assert read_texts(lark) == ["Hello", "restored"]
    assert token_requests(lark) == 1
    apps = ApplicationManager()
    apps.create_application("cli_airflow_app", "your_app_secret")
    assert [app.name for app in apps.list_applications()] == ["生产应用", "cli_airflow_app"]


def test_guide_74_the_registry_is_copied_and_restored(
    reader: Reader, lark: Emulator, apps: ApplicationManager
) -> None:
    reader.run(COPY)
    backup = next(Path("config").glob("applications.db.backup_*"))
    backup.rename("config/applications.db.backup_20260115")
    apps.delete_application("cli_your_app_id")
    reader.run(COPY_BACK)
    assert apps.decrypt_secrets("cli_your_app_id").app_secret == "your_app_secret"
    send(lark)
    assert read_texts(lark) == ["Hello"]


def test_guide_74_a_command_copies_a_registry_that_is_in_use(
    reader: Reader, apps: ApplicationManager
) -> None:
    with closing(sqlite3.connect("config/applications.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM applications")
        reader.run(f"{CLI} --registry backup.db")
    shutil.copy("backup.db", "config/applications.db")
    assert apps.decrypt_secrets("cli_your_app_id").app_secret == "your_app_secret"
