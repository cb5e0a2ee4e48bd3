"""Which user of Airflow a person acts as who clicked in Lark, or why they may not.

A person links themselves (`plugins.link`), or is listed in the table `people` of `lark.yaml`, or has an
enterprise e-mail address of one of its `email_domains`; in this order. People of other tenants, and those
whom Lark calls frozen or resigned, are refused before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from lark_provider.config import AppDisabledError
from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.plugins import users
from lark_provider.plugins.directory import Directory, DirectoryEntry
from lark_provider.plugins.logs import get_logger
from lark_provider.plugins.people_texts import REFUSALS
from lark_provider.plugins.users import AuthManagerUnsupportedError, InactiveUserError
from lark_provider.protocol.hitl.people import PeopleSettings
from lark_provider.protocol.language import LocalizedText
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.link_codes import LinkCodes
from lark_provider.storage.people import People, Person

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

logger = get_logger(__name__)

IdentityProblem: TypeAlias = Literal["unlinked", "foreign_tenant", "inactive", "forbidden", "unavailable"]
IdentitySource: TypeAlias = Literal["link", "table", "email"]


@dataclass(frozen=True, slots=True)
class Clicker:
    """Who clicked, as Lark proves it.

    Attributes:
        app_id: The app of the card.
        tenant_key: The tenant to which the click was delivered: the app's.
        open_id: The person.
        operator_tenant_key: The person's tenant.
    """

    app_id: str
    tenant_key: str
    open_id: str
    operator_tenant_key: str


@dataclass(frozen=True, slots=True)
class ActingUser:
    """A person who may act.

    Attributes:
        user: The user of Airflow, with the rights that they have now.
        source: What says that it is this user.
    """

    user: BaseUser
    source: IdentitySource


@dataclass(frozen=True, slots=True)
class PersonRefusal:
    """Why a person may not act.

    Attributes:
        outcome: The outcome in one word, as in the answer to a delivered click.
        message: The text for the person, by language.
        link_url: The URL where the person can link themselves, with a one-time code that no one else may see;
            None if they cannot.
    """

    outcome: IdentityProblem
    message: LocalizedText
    link_url: str | None = None

    def __repr__(self) -> str:
        """Return it without the link, whose code is secret."""
        return f"PersonRefusal({self.outcome!r})"


class Identities:
    """Resolves people to users of Airflow. Safe with threads.

    Args:
        people: The links.
        directory: What Lark says about people.
        settings: Returns the table and the domains of `lark.yaml` as they are now.
        base_url: Returns `[api] base_url`, where the page for linking is; None if it is not set.
    """

    def __init__(
        self,
        people: People,
        directory: Directory | None = None,
        settings: Callable[[], PeopleSettings] = PeopleSettings,
        base_url: Callable[[], str | None] | None = None,
    ) -> None:
        self._people, self._directory = people, directory or Directory()
        self._settings, self._base_url = settings, base_url or read_base_url

    def resolve(self, clicker: Clicker) -> ActingUser | PersonRefusal:
        """Return the user that a person acts as, or a refusal. It blocks.

        Nothing is raised for an unavailable database or Lark: the refusal is `unavailable`, to be tried
        again.

        Args:
            clicker: The person who clicked, as Lark proves it.
        """
        if not clicker.tenant_key or clicker.operator_tenant_key != clicker.tenant_key:
            return _refuse(clicker, "foreign_tenant", "foreign_tenant")
        try:
            listed = self._directory.get(clicker.app_id, clicker.open_id)
            if listed.standing == "inactive":
                return _refuse(clicker, "inactive", "left")
            return (
                self._identify_by_link(clicker)
                or self._identify_by_table(clicker, listed)
                or self._offer_link(clicker)
            )
        except AuthManagerUnsupportedError as error:
            return _refuse(clicker, "forbidden", "unsupported", error)
        except AppDisabledError as error:
            return _refuse(clicker, "forbidden", "app_disabled", error)
        except LarkError as error:
            logger.warning(
                "Person not identified; the click is tried again",
                extra={"open_id": clicker.open_id, "app_id": clicker.app_id, "error": str(error)},
            )
            return PersonRefusal("unavailable", REFUSALS["unavailable"])

    def _identify_by_link(self, clicker: Clicker) -> ActingUser | PersonRefusal | None:
        try:
            linked = self._people.find(clicker.app_id, clicker.tenant_key, clicker.open_id)
            return None if linked is None else ActingUser(users.restore(linked), "link")
        except InactiveUserError as error:
            logger.warning("Link not usable", extra={"open_id": clicker.open_id, "reason": str(error)})
        except DecryptionError as error:
            logger.error("Link not usable", extra={"open_id": clicker.open_id, "reason": str(error)})  # noqa: TRY400 - the text says all
        return self._offer_link(clicker)

    def _identify_by_table(
        self, clicker: Clicker, listed: DirectoryEntry
    ) -> ActingUser | PersonRefusal | None:
        settings = self._settings()
        if (name := settings.users.get(clicker.open_id)) is not None:
            user = users.find_by_name(name)
            return _refuse(clicker, "inactive", "no_user") if user is None else ActingUser(user, "table")
        address = listed.enterprise_email
        # An address counts only for a person of whom Lark says that they work there.
        if listed.standing == "active" and address and settings.accepts(address):
            user = users.find_by_email(address)
            return None if user is None else ActingUser(user, "email")
        return None

    def _offer_link(self, clicker: Clicker) -> PersonRefusal:
        base_url = self._base_url()
        if not base_url:
            logger.error(
                "No page for linking people: [api] base_url is not set", extra={"open_id": clicker.open_id}
            )
            return _refuse(clicker, "unlinked", "no_page")
        code = LinkCodes(self._people).create(Person(clicker.app_id, clicker.tenant_key, clicker.open_id))
        url = f"{base_url.rstrip('/')}/lark/link?code={code}"
        return _refuse(clicker, "unlinked", "unlinked", link_url=url)


def read_base_url() -> str | None:
    """Return `[api] base_url` of Airflow; None if it is not set."""
    from airflow.configuration import conf

    return (conf.get("api", "base_url", fallback=None) or "").strip() or None


def _refuse(
    clicker: Clicker,
    outcome: IdentityProblem,
    text: str,
    error: ConfigurationError | None = None,
    *,
    link_url: str | None = None,
) -> PersonRefusal:
    who = {"open_id": clicker.open_id, "app_id": clicker.app_id, "tenant_key": clicker.operator_tenant_key}
    reason = {} if error is None else {"reason": str(error)}
    logger.warning("Person refused", extra={"outcome": outcome, **who, **reason})
    return PersonRefusal(outcome, REFUSALS[text], link_url)
