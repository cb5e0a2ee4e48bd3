"""How cells look."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.errors import InvalidRequestError

Align: TypeAlias = Literal["left", "center", "right"]
VerticalAlign: TypeAlias = Literal["top", "middle", "bottom"]
Border: TypeAlias = Literal["full", "outer", "inner", "none", "left", "right", "top", "bottom"]
_ALIGNS = {"left": 0, "center": 1, "right": 2}
_VERTICAL = {"top": 0, "middle": 1, "bottom": 2}
_BORDERS = ("full", "outer", "inner", "none", "left", "right", "top", "bottom")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_SIZES = range(9, 37)
_WRONG = 90204


@dataclass(frozen=True, slots=True)
class Style:
    """How cells look; None leaves a property as it is.

    Attributes:
        formatter: How numbers and dates are shown, such as `#,##0.00`, `0.00%`, `yyyy-MM-dd` or `@` (text);
            `""` is general.
        bold: Whether text is bold.
        italic: Whether text is italic.
        underline: Whether text is underlined.
        strike: Whether text is struck through.
        font_size: The size of the font in points, 9 to 36.
        align: `left`, `center` or `right`.
        vertical_align: `top`, `middle` or `bottom`.
        color: The colour of the text, such as `#1f2329`.
        background: The colour of the cell, such as `#f5f6f7`.
        border: Which borders it has: `full`, `outer`, `inner`, `none`, `left`, `right`, `top` or `bottom`.
        border_color: The colour of the borders, such as `#dee0e3`.
        reset: Whether all other properties are removed first.
    """

    formatter: str | None = None
    bold: bool | None = None
    italic: bool | None = None
    underline: bool | None = None
    strike: bool | None = None
    font_size: int | None = None
    align: Align | None = None
    vertical_align: VerticalAlign | None = None
    color: str | None = None
    background: str | None = None
    border: Border | None = None
    border_color: str | None = None
    reset: bool = False

    def to_lark(self) -> dict[str, Any]:
        """Return the style as Lark takes it.

        Raises:
            InvalidRequestError: A property is invalid, or the style has none.
        """
        font: dict[str, Any] = {"bold": self.bold, "italic": self.italic}
        if self.font_size is not None:
            if self.font_size not in _SIZES:
                raise _make_invalid_error(
                    "font_size", "an int from 9 to 36", self.font_size, "pass a size such as 12"
                )
            font["fontSize"] = f"{self.font_size}pt/1.5"
        style: dict[str, Any] = {
            "font": {name: value for name, value in font.items() if value is not None} or None,
            "formatter": self.formatter,
            "textDecoration": self._encode_decoration(),
            "hAlign": _choose("align", self.align, _ALIGNS),
            "vAlign": _choose("vertical_align", self.vertical_align, _VERTICAL),
            "foreColor": check_color(self.color, "color"),
            "backColor": check_color(self.background, "background"),
            "borderType": None,
            "borderColor": check_color(self.border_color, "border_color"),
            "clean": True if self.reset else None,
        }
        if self.border is not None:
            check_choice("border", self.border, _BORDERS, _WRONG)
            is_group = self.border in ("full", "outer", "inner")
            style["borderType"] = "NO_BORDER" if self.border == "none" else f"{self.border.upper()}_BORDER"
            if is_group or self.border != "none":
                style["borderColor"] = style["borderColor"] or "#000000"
        properties = {name: value for name, value in style.items() if value is not None}
        if not properties:
            raise _make_invalid_error(
                "A style", "at least one property", "none", "pass one such as bold=True"
            )
        return properties

    def to_condition(self) -> dict[str, Any]:
        """Return the style of a conditional format as Lark takes it.

        Raises:
            InvalidRequestError: It has a property other than bold, italic, underline, strike, color and
                background.
        """
        others = (
            self.formatter,
            self.font_size,
            self.align,
            self.vertical_align,
            self.border,
            self.border_color,
        )
        if any(value is not None for value in others) or self.reset:
            raise _make_invalid_error(
                "The style of a conditional format",
                "bold, italic, underline, strike, color or background",
                self,
                "leave the other properties out",
            )
        font = {
            name: value for name, value in (("bold", self.bold), ("italic", self.italic)) if value is not None
        }
        style: dict[str, Any] = {
            "font": font or None,
            "text_decoration": self._encode_decoration(),
            "fore_color": check_color(self.color, "color"),
            "back_color": check_color(self.background, "background"),
        }
        return {name: value for name, value in style.items() if value is not None}

    def _encode_decoration(self) -> int | None:
        if self.underline is None and self.strike is None:
            return None
        return (1 if self.underline else 0) + (2 if self.strike else 0)


def check_color(value: object, name: str) -> str | None:
    """Check a colour.

    Args:
        value: The colour as `#rrggbb`, or None.
        name: The name of the argument, for the error.

    Raises:
        InvalidRequestError: It is something else.
    """
    if value is None:
        return None
    if not (isinstance(value, str) and _COLOR.fullmatch(value)):
        raise _make_invalid_error(
            name, "a colour such as #f5f6f7", value, "write # and six hexadecimal digits"
        )
    return value.lower()


def _choose(name: str, value: object, choices: dict[str, int]) -> int | None:
    if value is None:
        return None
    check_choice(name, value, choices, _WRONG)
    return choices[str(value)]


def _make_invalid_error(name: str, what: str, got: object, step: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name} must be {what}, got {got!r:.120}. Next: {step}.", code=_WRONG)
