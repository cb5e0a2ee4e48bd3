"""What Lark says about a person who acts in Airflow: name, enterprise e-mail, and whether they left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lark_provider.api.contact import User
from lark_provider.client import LarkServiceClient
from lark_provider.config import AppDisabledError
from lark_provider.errors import ConfigurationError, PermissionDeniedError
from lark_provider.plugins.logs import get_logger
from lark_provider.support.throttle import Throttle

logger = get_logger(__name__)

Standing: TypeAlias = Literal["active", "inactive", "unknown"]
"""Whether the person works there: `unknown` if this app may not see it, or has no credentials here."""

_MAX_AGE = 60.0
_MAX_STALE_AGE = 300.0
"""While Lark cannot be asked: short, since a person may have been frozen since, and their clicks wait."""
_DEADLINE = 6.0
_LEFT = ("is_frozen", "is_resigned", "is_exited")
_throttle = Throttle()


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A person as Lark lists them.

    Attributes:
        standing: Whether they work there.
        name: Their name; empty if the app may not see it.
        enterprise_email: The address of the company's own mail; empty without one, or without the scope.
    """

    standing: Standing
    name: str = ""
    enterprise_email: str = ""


class Directory:
    """The people of Lark, as apps see them. Safe with threads.

    Args:
        client: Makes the client of an app by its id.
    """

    def __init__(self, client: Callable[[str], LarkServiceClient] | None = None) -> None:
        self._client = client or _make_client

    def get(self, app_id: str, open_id: str) -> DirectoryEntry:
        """Return what Lark says about a person, cached for a minute; for five while Lark cannot be asked.

        See GET /open-apis/contact/v3/users/batch. It blocks for six seconds at most.

        Args:
            app_id: The app whose open_id it is.
            open_id: The person.

        Returns:
            `unknown` if the app has no credentials in this process, or lacks the scope; `inactive` if Lark
            does not show the person to the app at all.

        Raises:
            AppDisabledError: The app is disabled in the registry.
            LarkError: Lark was unreachable and the cached answer is older, or Lark refused it for another
                reason.
        """
        try:
            user = self._client(app_id).contact.get_user(
                open_id, max_age=_MAX_AGE, max_stale_age=_MAX_STALE_AGE
            )
        except AppDisabledError:
            raise
        except (ConfigurationError, PermissionDeniedError) as error:
            _warn(app_id, str(error))
            return DirectoryEntry("unknown")
        if user is None:
            return DirectoryEntry("inactive")
        if not user.get("status"):
            _warn(app_id, "The scope contact:user.employee:readonly is missing.")
        return DirectoryEntry(_get_status(user), user.get("name") or "", user.get("enterprise_email") or "")


def _get_status(user: User) -> Standing:
    status = user.get("status")
    if not status:
        return "unknown"
    return "inactive" if any(status.get(flag) for flag in _LEFT) else "active"


def _make_client(app_id: str) -> LarkServiceClient:
    return LarkServiceClient(app_id=app_id, deadline=_DEADLINE, max_retries=1)


def _warn(app_id: str, reason: str) -> None:
    _throttle.log(
        logger.warning,
        "Cannot tell whether people are frozen or resigned in Lark; linked people are accepted",
        extra={"app_id": app_id, "reason": reason},
        kind=app_id,
    )
