"""Who is which user of Airflow, as `lark.yaml` says it: a table of people, and domains of e-mail addresses.

```yaml
people:
  ou_7d8a6e6df7621556ce0d21922b676706: alice   # the name of a user of Airflow
email_domains: [example.com]                   # off unless it is there
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lark_provider.protocol.errors import ConfigurationError

_OPEN_ID = re.compile(r"ou_[A-Za-z0-9_-]{1,250}")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_LOCAL = re.compile(r"[!-?A-~]{1,64}")
_MAX_NAME_LENGTH = 250
_MAX_ADDRESS_LENGTH = 320


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """How people are mapped to users of Airflow, in addition to the links that they make themselves.

    Attributes:
        users: The name of a user of Airflow for each open_id. An open_id belongs to one app.
        email_domains: The domains whose enterprise e-mail addresses name a user of Airflow, in lower case;
            empty for no mapping by e-mail.
    """

    users: Mapping[str, str] = field(default_factory=dict)
    email_domains: tuple[str, ...] = ()

    def open_ids(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the open_ids of users, for those who have any.

        Args:
            names: Names of users of Airflow.
        """
        wanted = set(names)
        ids_by_name: dict[str, tuple[str, ...]] = {}
        for open_id, name in self.users.items():
            if name in wanted:
                ids_by_name[name] = (*ids_by_name.get(name, ()), open_id)
        return ids_by_name

    def accepts(self, address: str) -> bool:
        """Return whether an e-mail address may name a user: one of exactly these domains.

        Args:
            address: As Lark's enterprise mail has it.
        """
        local, _, domain = address.rpartition("@")
        return (
            len(address) <= _MAX_ADDRESS_LENGTH
            and _LOCAL.fullmatch(local) is not None
            and domain.lower() in self.email_domains
        )


def read_people_settings(document: Mapping[str, Any]) -> PeopleSettings:
    """Read `people` and `email_domains` of `lark.yaml`; other members are left to others.

    Args:
        document: The document, parsed.

    Raises:
        ConfigurationError: One of them is invalid; the error names it.
    """
    return PeopleSettings(_read_users(document.get("people")), _read_domains(document.get("email_domains")))


def _read_users(users: Any) -> dict[str, str]:
    if users is None:
        return {}
    if not isinstance(users, Mapping):
        raise ConfigurationError(
            f"people must map open_ids to names of Airflow users, got {type(users).__name__}. Next: write "
            "one line `ou_…: name` for each person."
        )
    for open_id, name in users.items():
        if not (isinstance(open_id, str) and _OPEN_ID.fullmatch(open_id)):
            raise ConfigurationError(
                f"people must name each person by an open_id such as ou_7d8a6e6d, got {open_id!r}. Next: "
                "write the open_id that the app sees; `lark-provider callbacks` logs it with each click."
            )
        if not (isinstance(name, str) and name == name.strip() and 0 < len(name) <= _MAX_NAME_LENGTH):
            raise ConfigurationError(
                f"people[{open_id!r}] must be the name of an Airflow user as text, got {name!r}. Next: write "
                "the user name, in quotes if it is a number."
            )
    return dict(users)


def _read_domains(domains: Any) -> tuple[str, ...]:
    if domains is None:
        return ()
    if isinstance(domains, str) or not isinstance(domains, Iterable):
        raise ConfigurationError(
            f"email_domains must be a list of domains, got {domains!r}. Next: write [example.com]."
        )
    normalized = []
    for domain in domains:
        if not (isinstance(domain, str) and _DOMAIN.fullmatch(domain.lower())):
            raise ConfigurationError(
                f"email_domains must be domains such as example.com, got {domain!r}. Next: write what "
                "comes after the @, without wildcards."
            )
        normalized.append(domain.lower())
    return tuple(normalized)
