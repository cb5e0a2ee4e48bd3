"""The people of `lark.yaml`."""

from __future__ import annotations

from typing import Any

import pytest

from lark_provider.errors import ConfigurationError
from lark_provider.protocol.hitl.people import PeopleSettings, read_people_settings


def test_a_table_and_domains_are_read() -> None:
    settings = read_people_settings(
        {"people": {"ou_a": "alice", "ou_b": "alice", "ou_c": "3"}, "email_domains": ["Example.COM"], "x": 1}
    )
    assert settings.users == {"ou_a": "alice", "ou_b": "alice", "ou_c": "3"}
    assert settings.email_domains == ("example.com",)
    assert settings.open_ids(["alice", "nobody"]) == {"alice": ("ou_a", "ou_b")}


def test_nothing_is_mapped_unless_it_is_written() -> None:
    settings = read_people_settings({})
    assert settings == PeopleSettings()
    assert not settings.accepts("alice@example.com")


@pytest.mark.parametrize("address", ["alice@example.com", "Alice.B@EXAMPLE.com", "a+b@example.com"])
def test_an_address_of_a_domain_is_accepted(address: str) -> None:
    assert PeopleSettings(email_domains=("example.com",)).accepts(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "example.com",
        "@example.com",
        "alice@sub.example.com",
        "alice@example.com.evil.org",
        "alice@notexample.com",
        "alice@evil.org@example.com",
        "alice b@example.com",
        "alice@example.com\n",
        "\u0430lice@example.com",
        f"{'a' * 65}@example.com",
    ],
)
def test_another_address_is_not(address: str) -> None:
    assert not PeopleSettings(email_domains=("example.com",)).accepts(address)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"people": ["ou_a"]}, "people must map open_ids"),
        ({"people": {"alice": "ou_a"}}, "an open_id such as"),
        ({"people": {7: "alice"}}, "an open_id such as"),
        ({"people": {"ou_a": 3}}, r"people\['ou_a'\] must be the name"),
        ({"people": {"ou_a": " alice"}}, "must be the name"),
        ({"people": {"ou_a": ""}}, "must be the name"),
        ({"email_domains": "example.com"}, "must be a list of domains"),
        ({"email_domains": 3}, "must be a list of domains"),
        ({"email_domains": ["*.example.com"]}, "without wildcards"),
        ({"email_domains": ["@example.com"]}, "must be domains such as"),
        ({"email_domains": ["com"]}, "must be domains such as"),
        ({"email_domains": [None]}, "must be domains such as"),
    ],
)
def test_a_mistake_is_named(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as error:
        read_people_settings(document)
    assert "Next: " in str(error.value)
