"""What converting a cell's value needs: where it is, and what its type does with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.codes import Code
    from lark_emulator.settings import Settings
    from lark_emulator.world.apps import App
    from lark_emulator.world.bases import Base, Field
    from lark_emulator.world.world import World


@dataclass(slots=True)
class Cell:
    """Where a value is going to or coming from."""

    world: World
    app: App
    base: Base
    field: Field
    id_type: str
    settings: Settings
    origin: str = ""
    """Scheme and host of the emulator, as the caller knows it."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """One of Lark's field types.

    Args:
        number: `type` in the API.
        ui_types: The variants; the first is the default.
        refusal: The code for a value of the wrong shape.
        accept: Turns a written value into the stored one; raises or returns None for "empty".
        read: Turns a stored value into what search returns, None for an empty cell.
        echo: Turns a stored value into what create and update return.
        primary: Whether it may be a table's first column.
    """

    number: int
    ui_types: tuple[str, ...]
    refusal: Code
    accept: Callable[[Cell, Any], Any] | None
    read: Callable[[Cell, Any], Any]
    echo: Callable[[Cell, Any], Any] = lambda _cell, value: value
    primary: bool = False


class WrongShapeError(Exception):
    """The value does not fit the field; the field's own code says so."""


def require(condition: bool) -> None:
    """Check that a value has the shape of its field.

    Raises:
        WrongShapeError: it has not.
    """
    if not condition:
        raise WrongShapeError
