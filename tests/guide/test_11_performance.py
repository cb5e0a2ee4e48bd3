"""The guide's section 11: indexes, clean-up and the pool."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.pool import QueuePool

from lark_provider import LarkServiceClient
from lark_provider.storage import urls
from lark_provider.storage.engine import get_engine
from lark_provider.storage.postgres_storage import PostgresStorage
from tests.guide.arrived import open_id, read_texts, token_requests
from tests.guide.reader import CHECKOUT, Database, Reader

INDEXES = """
-- 创建索引
CREATE INDEX idx_tokens_app_id ON tokens(app_id);
CREATE INDEX idx_tokens_expires_at ON tokens(expires_at);
"""
CLEAN_TOKENS = "DELETE FROM tokens WHERE expires_at < NOW() - INTERVAL '7 days';"
CLEAN_PEOPLE = "DELETE FROM user_cache WHERE expires_at < NOW();"
ENGINE = """
from sqlalchemy import create_engine

engine = create_engine(
    database_url,
    pool_size=10,          # 连接池大小
    max_overflow=20,       # 最大溢出连接
    pool_timeout=30,       # 获取连接超时
    pool_recycle=3600,     # 连接回收时间 (1小时)
)
"""
PSQL = "psql -U lark -d lark_service -v ON_ERROR_STOP=1"
PURGE = "python -m lark_provider.cli db purge"
SEND = """
from lark_provider import LarkServiceClient

with LarkServiceClient(app_id="cli_your_app_id") as client:
    client.messaging.send_text(receiver_id="ou_xxxxxxxx", content="Hello")
"""
LOOK_UP = "POST /open-apis/contact/v3/users/batch_get_id"


def read_pool(db_engine: sa.Engine) -> tuple[int, int, float, int]:
    """Return the size, overflow, timeout and recycle time of an engine's pool."""
    pool = db_engine.pool
    assert isinstance(pool, QueuePool)
    return pool.size(), pool._max_overflow, pool._timeout, pool._recycle


def test_guide_69_its_indexes(reader: Reader, upgraded: Database) -> None:
    """And alembic does not want them away again."""
    assert reader.run(PSQL, stdin=INDEXES).stdout.count("CREATE INDEX") == 2
    assert "No new upgrade operations" in reader.run("alembic check", folder=CHECKOUT).stdout


@pytest.mark.parametrize("way", ["guide", "command"])
def test_guide_70_the_clean_up_of_tokens_harms_no_usable_credential(
    way: str, reader: Reader, upgraded: Database, lark: Emulator, apps: object
) -> None:
    """A token in use stays, and so does the ticket of a store app, without which no token can be had."""
    send = SEND.replace("ou_xxxxxxxx", open_id(lark))
    reader.python(send)
    with LarkServiceClient("cli_store", "its_secret", tenant_key="t") as store:
        store.store_app.keep_ticket("a_ticket")
    upgraded.ask(
        "INSERT INTO tokens (key, app_id, value, fetched_at, expires_at) "
        "SELECT n || ' days', 'cli_gone', 'x', now(), now() - n * interval '1 day' FROM unnest(ARRAY[6, 8]) n"
    )
    reader.run(PSQL if way == "guide" else PURGE, stdin=CLEAN_TOKENS)
    assert sorted(upgraded.ask("SELECT app_id, key LIKE '%days' FROM tokens")) == [
        ("cli_gone", True),
        ("cli_store", False),
        ("cli_your_app_id", False),
    ]
    assert upgraded.ask("SELECT key FROM tokens WHERE app_id = 'cli_gone'") == [("6 days",)]
    reader.python(send)
    assert len(read_texts(lark)) == 2
    assert token_requests(lark) == 1


@pytest.mark.parametrize("way", ["guide", "command"])
def test_guide_71_people_are_fetched_again_after_the_clean_up(
    way: str, reader: Reader, upgraded: Database, lark: Emulator, apps: object
) -> None:
    client, seen = LarkServiceClient(app_id="cli_your_app_id"), []
    for step in ("fetched", "kept", "fetched again"):
        if step == "fetched again":
            upgraded.ask("UPDATE user_cache SET expires_at = now() - interval '1 second'")
            reader.run(PSQL if way == "guide" else PURGE, stdin=CLEAN_PEOPLE)
            assert upgraded.ask("SELECT count(*) FROM user_cache") == [(0,)]
        assert client.contact.get_id("alice@example.com") == open_id(lark)
        seen.append(lark.state(summary=True)["by_endpoint"][LOOK_UP])
    assert seen == [1, 1, 2]
    assert upgraded.ask("SELECT count(*) FROM user_cache") == [(1,)]


def test_guide_72_the_pool(upgraded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the guide's `create_engine` by default; settable by the environment and for each storage."""
    names = {"database_url": urls.database()}
    exec(ENGINE, names)  # noqa: S102 - the guide's code
    guides = names["engine"]
    assert isinstance(guides, sa.Engine)
    shared = PostgresStorage()._get_engine()
    assert shared is get_engine(urls.database())
    assert read_pool(shared) == read_pool(guides) == (10, 20, 30, 3600)
    for name, value in (("POOL_SIZE", 1), ("MAX_OVERFLOW", 2), ("POOL_TIMEOUT", 3), ("POOL_RECYCLE", 4)):
        monkeypatch.setenv(f"LARK_DB_{name}", str(value))
    with PostgresStorage(pool_size=5) as storage:
        assert read_pool(storage._get_engine()) == (5, 2, 3, 4)
