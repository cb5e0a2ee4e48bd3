"""The members of the tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_emulator.world.apps import App

USER_ID_TYPES = ("open_id", "union_id", "user_id")
USER_STATUSES = ("activated", "frozen", "resigned", "exited", "unjoin")


@dataclass(slots=True)
class User:
    """A member of the tenant."""

    user_id: str
    name: str
    en_name: str
    email: str
    mobile: str = ""
    status: str = "activated"

    @property
    def status_flags(self) -> dict[str, bool]:
        """The status as Lark shows it: five flags, one of them true."""
        return {f"is_{name}": name == self.status for name in USER_STATUSES}

    @property
    def union_id(self) -> str:
        """The same for all apps of one developer."""
        return f"on_emulator_{self.user_id}"

    def id_for(self, app: App, id_type: str) -> str:
        """Return this user's id of one type, as `app` sees it."""
        if id_type == "union_id":
            return self.union_id
        if id_type == "user_id":
            return self.user_id
        return f"{app.open_id_prefix}_{self.user_id}"
