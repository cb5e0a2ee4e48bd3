from __future__ import annotations

from pathlib import Path

import pytest

from lark_provider import LarkServiceClient, LarkWebhookClient, config
from lark_provider.engine.session import Session
from lark_provider.errors import ConfigurationError, StorageError
from lark_provider.protocol.redact import redact


@pytest.mark.parametrize(
    ("value", "url"),
    [
        (None, "https://open.feishu.cn"),
        ("feishu", "https://open.feishu.cn"),
        ("Lark", "https://open.larksuite.com"),
        ("https://lark.example.com/", "https://lark.example.com"),
        ("https://lark.example.com/gate/open-apis", "https://lark.example.com/gate"),
        ("lark.example.com", "https://lark.example.com"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://localhost:1", "http://localhost:1"),
        ("https://LARK.Example.com:443/Gate", "https://lark.example.com/Gate"),
        ("https://lark.example.com:80", "https://lark.example.com:80"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.0.0.1:443", "http://127.0.0.1:443"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_base_urls(value: str | None, url: str) -> None:
    assert config.resolve_base_url(value) == url


@pytest.mark.parametrize(
    "value", ["feishuu", "ftp://x.example", "https://", "https://u:secret1@x.example", "x y"]
)
def test_a_base_url_that_cannot_be_is_refused_without_its_password(value: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as refused:
        config.resolve_base_url(value)
    assert "secret1" not in str(refused.value)
    with pytest.raises(ConfigurationError):
        Session(base_url=value)


IN_CLEAR = [
    "http://lark.example.com",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
    "http://10.0.0.1:8765",
    "http://[2001:db8::1]",
    "HTTP://lark.example.com",
]


@pytest.mark.parametrize("value", IN_CLEAR)
def test_a_base_url_in_clear_is_refused_wherever_it_stands(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = r"must begin with https://.*Next: write https://; or set LARK_ALLOW_HTTP=1"
    with pytest.raises(ConfigurationError, match=says):
        LarkServiceClient("cli_a", "s", base_url=value)
    with pytest.raises(ConfigurationError, match=says):
        LarkWebhookClient(f"{value}/open-apis/bot/v2/hook/token")
    monkeypatch.setenv("LARK_BASE_URL", value)
    with pytest.raises(ConfigurationError, match=says):
        LarkServiceClient("cli_a", "s").bot.info()
    assert config.resolve_base_url(value, environ={"LARK_ALLOW_HTTP": "1"}).lower() == value.lower()


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:8765", "http://127.1.2.3", "http://[::1]:8765", "http://LOCALHOST:1"]
)
def test_a_base_url_in_clear_on_this_machine(value: str) -> None:
    assert config.resolve_base_url(value, environ={}) == value.lower()


def test_whether_http_is_allowed_is_said_clearly() -> None:
    for text in ("", "0", "False", "no"):
        with pytest.raises(ConfigurationError, match="must begin with https://"):
            config.resolve_base_url("http://x.example", environ={"LARK_ALLOW_HTTP": text})
    with pytest.raises(ConfigurationError, match=r"LARK_ALLOW_HTTP must be 1 or 0, got 'maybe'\. Next: "):
        config.resolve_base_url("http://x.example", environ={"LARK_ALLOW_HTTP": "maybe"})


def test_arguments_win_over_the_environment() -> None:
    env = {"LARK_APP_ID": "cli_env", "LARK_APP_SECRET": "env-secret", "LARK_BASE_URL": "lark"}
    from_args = config.find_app("cli_arg", "arg-secret", "feishu", env)
    assert from_args is not None
    assert (from_args.app_id, from_args.app_secret, from_args.base_url) == (
        "cli_arg",
        "arg-secret",
        "https://open.feishu.cn",
    )
    from_env = config.find_app(None, None, None, env)
    assert from_env is not None
    assert (from_env.app_id, from_env.app_secret, from_env.base_url) == (
        "cli_env",
        "env-secret",
        "https://open.larksuite.com",
    )
    assert config.find_app("cli_env", None, None, env) == from_env


@pytest.fixture
def no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without a registry, and name none."""
    monkeypatch.delenv("LARK_REGISTRY_PATH")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("no_registry")
def test_the_environments_secret_is_not_lent_to_another_app() -> None:
    assert (
        config.find_app("cli_other", None, None, {"LARK_APP_ID": "cli_env", "LARK_APP_SECRET": "s"}) is None
    )
    with pytest.raises(ConfigurationError, match="'cli_other' has no secret"):
        _ = LarkServiceClient("cli_other").app_id


@pytest.mark.usefixtures("no_registry")
def test_the_registry_that_was_searched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no secret") as refused:
        _ = LarkServiceClient("cli_other").app_id
    assert str(tmp_path / "config" / "applications.db") in str(refused.value)
    monkeypatch.setenv("LARK_REGISTRY_PATH", "elsewhere/apps.db")
    with pytest.raises(StorageError, match=r"LARK_APP_ID and LARK_APP_SECRET.*app add") as missing:
        _ = LarkServiceClient("cli_other").app_id
    assert str(tmp_path / "elsewhere" / "apps.db") in str(missing.value)
    assert missing.value.retryable


@pytest.mark.usefixtures("no_registry")
@pytest.mark.parametrize("env", [{}, {"LARK_APP_ID": "cli_x"}, {"LARK_APP_ID": " ", "LARK_APP_SECRET": " "}])
def test_nothing_found_names_the_ways(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.find_app(None, None, None, env) is None
    monkeypatch.delenv("LARK_APP_ID", raising=False)
    with pytest.raises(ConfigurationError, match=r"LARK_APP_SECRET.*lark-provider app add"):
        _ = LarkServiceClient().base_url
    with pytest.raises(ConfigurationError, match="app_id="):
        config.find_app(None, "only-a-secret", None, env)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRETVALUE",
        '{"app_secret":"SECRETVALUE"}',
        "app_secret=SECRETVALUE&x=1",
        '"tenant_access_token": "SECRETVALUE"',
        "http://user:SECRETVALUE@proxy.example:3128",
        "t-SECRETVALUEg1044",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "SECRETVALUE" not in redact(text)
    assert "mine" not in redact("is mine", "mine")


@pytest.mark.parametrize("given", [("cli_a\udcff", "s"), ("cli_a", "s\udcff")])
def test_an_id_or_secret_that_is_not_text(given: tuple[str, str]) -> None:
    """As Python reads bytes that are not UTF-8 from the environment."""
    with pytest.raises(ConfigurationError, match=r"must be valid UTF-8\. Next: "):
        config.find_app(*given, None, {})


def test_a_file_that_may_not_be_looked_at_may_be_there(tmp_path: Path) -> None:
    assert config.is_there(tmp_path)
    assert not config.is_there(tmp_path / "nothing" / "there")
    assert config.is_there(Path("a" * 5000))  # the system does not say; whoever opens it will
