"""The departments of the tenant, below one root that has no name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User

ROOT = "0"


@dataclass(slots=True)
class Department:
    """A department; `parent` is the open id of the one above it, `leader` a user_id or empty."""

    open_department_id: str
    department_id: str
    name: str
    parent: str = ROOT
    leader: str = ""
    order: str = ""
    chat_id: str = ""

    def get_id(self, id_type: str) -> str:
        """Return its id of one type; the root has one for both."""
        return self.department_id if id_type == "department_id" else self.open_department_id


class Departments:
    """All departments, by open id, in the order in which they were made.

    Args:
        users: The people of the tenant, of whom each one knows its departments.
    """

    def __init__(self, users: dict[str, User]) -> None:
        self._users = users
        self.root = Department(ROOT, ROOT, "", parent="")
        self.by_id: dict[str, Department] = {}

    def find(self, value: str, id_type: str = "") -> Department | None:
        """Return the department with an id of one type, or of either if that is not told."""
        if value == ROOT:
            return self.root
        if id_type != "department_id" and value in self.by_id:
            return self.by_id[value]
        if id_type != "open_department_id":
            return next(
                (department for department in self.by_id.values() if department.department_id == value), None
            )
        return None

    def list_children(self, parent: Department, *, recursive: bool = False) -> list[Department]:
        """Return the departments below one, those of the nearest level first."""
        departments = [
            department for department in self.by_id.values() if department.parent == parent.open_department_id
        ]
        if recursive:
            departments += [
                descendant
                for child in list(departments)
                for descendant in self.list_children(child, recursive=True)
            ]
        return departments

    def list_parents(self, of: Department) -> list[Department]:
        """Return the departments above one, the nearest first, without the root."""
        above = []
        while of.parent in self.by_id:
            of = self.by_id[of.parent]
            above.append(of)
        return above

    def list_members(self, of: Department, *, recursive: bool = False) -> list[User]:
        """Return the people in a department, and, if wanted, in those below it, each once."""
        wanted = {of.open_department_id}
        if recursive:
            wanted |= {child.open_department_id for child in self.list_children(of, recursive=True)}
        people = (user for user in self._users.values() if not user.is_external)
        return [user for user in people if wanted.intersection(user.departments or (ROOT,))]

    def is_visible_to(self, app: App, of: Department) -> bool:
        """Return whether an app may read a department: a user in it, or below it, is within its range."""
        if app.available_to is None:
            return True
        return any(app.sees(user.user_id) for user in self.list_members(of, recursive=True))
