"""Read objects that another version of this package wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def select_members(members: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Return the members that a dataclass has, without those that a newer version added.

    Args:
        members: A JSON object.
        kind: The dataclass.
    """
    return {name: value for name, value in members.items() if name in kind.__dataclass_fields__}
