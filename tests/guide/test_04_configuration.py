"""The guide's section 4: environment variables."""

from __future__ import annotations

import base64

import pytest
import yaml
from lark_emulator import Emulator

from lark_provider.storage.applications import ApplicationManager
from tests.guide.arrived import open_id, read_texts
from tests.guide.reader import LARK, Database, Reader

ADD = "python -m lark_provider.cli app add --app-id cli_your_app_id --app-secret your_app_secret"
SAMPLE_KEY = "3yX9kL2mP5nQ8rT1uV4wZ6aB7cD0eF1g=="
GENERATE = "openssl rand -base64 32"
ENV_DEV = """
# .env.dev
POSTGRES_HOST=localhost
POSTGRES_PASSWORD=dev_password
LOG_LEVEL=DEBUG
"""
ENV_TEST = """
# .env.test
POSTGRES_HOST=test-postgres.internal
POSTGRES_PASSWORD=test_password
LOG_LEVEL=INFO
"""
CHOOSE = """
import logging
import sys
from dotenv import load_dotenv

load_dotenv(sys.argv[1])

from lark_provider.storage.postgres_storage import PostgresStorage
from lark_provider.utils.logger import setup_logger

print(PostgresStorage(), logging.getLevelName(setup_logger().level))
if sys.argv[1] == ".env.dev":
    print(PostgresStorage().execute("SELECT current_user, current_database()"))
"""
SECRET = """
# Kubernetes Secret 示例
apiVersion: v1
kind: Secret
metadata:
  name: lark-service-secrets
type: Opaque
stringData:
  POSTGRES_HOST: prod-postgres.internal
  POSTGRES_PASSWORD: prod_secure_password
  LARK_CONFIG_ENCRYPTION_KEY: your_production_key
"""
DEBUG = """
# 启用调试日志
export LOG_LEVEL=DEBUG

# 运行应用
python your_app.py
"""
APP = """
from lark_provider import LarkServiceClient
from lark_provider.utils.logger import setup_logger

setup_logger()
with LarkServiceClient(app_id="cli_your_app_id") as client:
    client.messaging.send_text(receiver_id="ou_xxxxxxxx", content="Hello")
"""


def test_guide_28_without_a_key_the_error_names_it(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARK_CONFIG_ENCRYPTION_KEY")
    done = reader.run(ADD, code=1)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    for part in ("LARK_CONFIG_ENCRYPTION_KEY is not set", "key generate", GENERATE):
        assert part in line
    assert not (reader.folder / "config").exists()


@pytest.mark.parametrize("made", ["by openssl", "with + and /"])
def test_guide_29_a_key_of_openssl_is_accepted(
    made: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = reader.run(GENERATE).stdout if made == "by openssl" else base64.b64encode(b"\xfb\xff" * 16).decode()
    assert made == "by openssl" or {"+", "/"} <= set(key)
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", key)
    reader.run(ADD)
    assert ApplicationManager().decrypt_secrets("cli_your_app_id").app_secret == "your_app_secret"


def test_guide_30_the_sample_key_gets_a_clear_error(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", SAMPLE_KEY)
    (line,) = reader.run(ADD, code=1).stderr.splitlines()
    assert (
        "LARK_CONFIG_ENCRYPTION_KEY must be 32 random bytes in base64 (44 characters), got 24 bytes" in line
    )
    assert SAMPLE_KEY not in line


def test_guide_31_the_level_of_the_log(reader: Reader, lark: Emulator, apps: object) -> None:
    """INFO by default; DEBUG through the environment alone, for a program and for the command line."""
    app = APP.replace("ou_xxxxxxxx", open_id(lark))
    assert reader.python(app).stderr == ""
    assert " DEBUG lark_provider" in reader.run(DEBUG).stderr
    send = f"python -m lark_provider.cli message send --to {open_id(lark)} Hello"
    silent = app.replace("setup_logger()\n", "")  # the guide's own application calls nothing
    (reader.folder / "your_app.py").write_text(silent)
    assert " DEBUG lark_provider" in reader.run(DEBUG).stderr
    debug = "export LOG_LEVEL=DEBUG LARK_DEFAULT_APP_ID=cli_your_app_id"
    assert " DEBUG lark_provider" in reader.run(f"{debug}\n{send}").stderr


def test_guide_32_one_of_several_partial_files_is_chosen(
    reader: Reader, upgraded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file leaves out has its default, or is in the environment, as here the port."""
    (reader.folder / ".env.dev").write_text(ENV_DEV)
    (reader.folder / ".env.test").write_text(ENV_TEST)
    (reader.folder / "your_app.py").write_text(CHOOSE)
    for name in ("HOST", "DB", "USER", "PASSWORD"):
        monkeypatch.delenv(f"POSTGRES_{name}")
    with upgraded.password("dev_password"):
        dev = reader.run("python your_app.py .env.dev").stdout.splitlines()
    test = reader.run("python your_app.py .env.test").stdout
    port = upgraded.server.port
    assert dev[0].endswith(f"lark:***@localhost:{port}/lark_service') DEBUG")
    assert dev[1] == "[('lark', 'lark_service')]"
    assert test.endswith(f"lark:***@test-postgres.internal:{port}/lark_service') INFO\n")


def test_guide_33_the_environment_of_a_kubernetes_secret_is_enough(
    reader: Reader, upgraded: Database, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Host, password and key; the port is that of the tests' server. No file but the registry is there."""
    data = yaml.safe_load(SECRET)["stringData"]
    values = ("localhost", LARK.password, reader.run(GENERATE).stdout)
    for name in ("POSTGRES_DB", "POSTGRES_USER", "PGHOST", "PGPASSWORD"):
        monkeypatch.delenv(name)
    for name, value in zip(data, values, strict=True):
        monkeypatch.setenv(name, value)
    reader.run(ADD)
    reader.python(APP.replace("ou_xxxxxxxx", open_id(lark)))
    assert read_texts(lark) == ["Hello"]
    assert upgraded.ask("SELECT app_id FROM tokens") == [("cli_your_app_id",)]
