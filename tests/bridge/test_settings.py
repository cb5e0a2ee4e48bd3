"""The bridge's settings, and the tokens of its account."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lark_provider.bridge import settings
from lark_provider.bridge.login import compute_lifetime
from lark_provider.bridge.settings import Credentials
from lark_provider.errors import ConfigurationError

SECRET = "s" * 32
PASSWORD = "p@ss/word:1"


def environment(**changes: str) -> dict[str, str]:
    return {
        "LARK_AIRFLOW_URL": "https://airflow.example.com/",
        "LARK_AIRFLOW_USERNAME": "watcher",
        "LARK_AIRFLOW_PASSWORD": PASSWORD,
        "LARK_BRIDGE_SECRET": SECRET,
    } | changes


def test_settings_come_from_the_environment_and_show_no_secret() -> None:
    loaded = settings.load(environ=environment(), team="blue")
    assert loaded.airflow == Credentials("https://airflow.example.com", "watcher", PASSWORD)  # type: ignore[arg-type]
    assert (loaded.public_url, loaded.team, loaded.hold_seconds) == (
        "https://airflow.example.com",
        "blue",
        15.0,
    )
    assert PASSWORD not in repr(loaded)
    assert SECRET not in repr(loaded)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://watcher:p%40ss%2Fword%3A1@airflow.example.com", "https://airflow.example.com"),
        ("http://watcher:p%40ss%2Fword%3A1@airflow:8080/root/", "http://airflow:8080/root"),
        ({"host": "airflow", "port": 8080}, "http://airflow:8080"),
        ({"host": "https://airflow.example.com/root", "port": 8443}, "https://airflow.example.com:8443/root"),
        ({"conn_type": "https", "host": "airflow.example.com/api/v2"}, "https://airflow.example.com"),
    ],
)
def test_an_airflow_connection_has_the_account(text: str | dict[str, Any], url: str) -> None:
    if isinstance(text, dict):
        text = json.dumps(text | {"login": "watcher", "password": PASSWORD})
    loaded = settings.load("air", environ={"AIRFLOW_CONN_AIR": text, "LARK_BRIDGE_SECRET": SECRET})
    assert loaded.airflow == Credentials(url, "watcher", PASSWORD)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"LARK_AIRFLOW_URL": ""}, r"LARK_AIRFLOW_URL is not set\. Next: set it"),
        ({"LARK_AIRFLOW_URL": "airflow:8080"}, "Airflow's URL must be"),
        ({"LARK_AIRFLOW_URL": f"https://watcher:{PASSWORD}@airflow"}, "Airflow's URL must be"),
        ({"LARK_AIRFLOW_PASSWORD": ""}, "Airflow's credentials must be"),
        ({"LARK_BRIDGE_SECRET": "short"}, "at least 32 bytes"),
    ],
)
def test_what_is_missing_is_named_without_secrets(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        settings.load(environ=environment(**changes))
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", '{"login": "watcher"}', "[]"])
def test_an_unusable_connection_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_AIR"):
        settings.load("air", environ={"AIRFLOW_CONN_AIR": text, "LARK_BRIDGE_SECRET": SECRET})


@pytest.mark.parametrize("given", [{"hold_seconds": 0.0}, {"poll_seconds": -1.0}, {"hold_seconds": 1e9}])
def test_periods_are_positive(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="must be above 0"):
        settings.load(environ=environment(), **given)


def test_the_lifetime_of_a_token_is_its_own() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"iat": 1000, "exp": 1090.5}).encode()).rstrip(b"=").decode()
    assert compute_lifetime(f"h.{claims}.s") == 90.5
    assert compute_lifetime("opaque") == compute_lifetime("a.%%.c") == 3600.0
