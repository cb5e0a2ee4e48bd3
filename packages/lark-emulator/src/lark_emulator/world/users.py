"""The members of the tenant, and people of other tenants who are in its groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lark_emulator.world.apps import TENANT_KEY

if TYPE_CHECKING:
    from lark_emulator.world.apps import App

USER_ID_TYPES = ("open_id", "union_id", "user_id")
USER_STATUSES = ("activated", "frozen", "resigned", "exited", "unjoin")


@dataclass(slots=True)
class User:
    """A member of the tenant, or of another one whose people are in a group of this tenant."""

    user_id: str
    name: str
    en_name: str
    email: str
    mobile: str = ""
    status: str = "activated"
    enterprise_email: str = ""
    """The address of the company's own mail; `email` is what its administrator has entered."""
    tenant_key: str = TENANT_KEY
    departments: list[str] = field(default_factory=list)
    """Open ids of the departments it belongs to; empty = the root."""
    job_title: str = ""
    employee_no: str = ""
    leader: str = ""
    """The user_id of who leads it, or empty."""
    gender: int = 0
    employee_type: int = 1

    @property
    def status_flags(self) -> dict[str, bool]:
        """The status as Lark shows it: five flags, one of them true."""
        return {f"is_{name}": name == self.status for name in USER_STATUSES}

    @property
    def is_external(self) -> bool:
        """Whether they belong to another tenant."""
        return self.tenant_key != TENANT_KEY

    @property
    def union_id(self) -> str:
        """The same for all apps of one developer."""
        return f"on_emulator_{self.user_id}"

    def get_id(self, app: App, id_type: str) -> str:
        """Return this user's id of one type, as `app` sees it."""
        if id_type == "union_id":
            return self.union_id
        if id_type == "user_id":
            return self.user_id
        return f"{app.open_id_prefix}_{self.user_id}"
