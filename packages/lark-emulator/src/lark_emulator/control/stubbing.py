"""The part of the control plane for stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import read_number_text, refuse_unknown

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.stubs.planned import Stubs


def _ensure_stubs(lark: Lark) -> Stubs:
    if lark.stubs is None:
        from lark_emulator.stubs.planned import Stubs  # loaded where it is used

        lark.stubs = Stubs()
    return lark.stubs


def list_all(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the stubs in the order in which they are tried, each with `id` and `used` (how often)."""
    refuse_unknown(spec)
    return {"stubs": [] if lark.stubs is None else lark.stubs.as_dicts()}


def add(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add one stub (`match`, `answer`, `times`, `delay_ms`), or several (`stubs`, a list), all or none.

    Args:
        lark: The emulator to add the stubs to.
        spec: The stub, or `stubs`, a list of them, with the members of `stubs.stub.Stub`; those added last
            are tried first.

    Returns:
        `stubs`: those that were added.

    Raises:
        ValueError: one can match no request, or its answer cannot be sent.
    """
    from lark_emulator.stubs.stub import Stub

    plans = spec.get("stubs", [spec])
    if "stubs" in spec:
        refuse_unknown(spec, "stubs", "recorded")
    if not isinstance(plans, list):
        raise ValueError(f"'stubs' must be a list, not {plans!r}")  # noqa: TRY004 - one kind for bad input
    stubs = []
    for place, plan in enumerate(plans):
        try:
            stubs.append(Stub.from_plan(plan))
        except ValueError as error:
            raise ValueError(f"stub {place}: {error}" if "stubs" in spec else str(error)) from None
    return {"stubs": [stub.to_dict() for stub in _ensure_stubs(lark).add(stubs)]}


def remove(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Remove a stub (`id`), or all of them."""
    refuse_unknown(spec, "id")
    if spec.get("id") is not None:
        _ensure_stubs(lark).remove(read_number_text(spec, "id"))
    elif lark.stubs is not None:
        lark.stubs.clear()
    return list_all(lark, {})


def reset(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Count the use of all stubs from nothing: those that were used up answer again."""
    refuse_unknown(spec)
    if lark.stubs is not None:
        lark.stubs.reset()
    return list_all(lark, {})


def list_unused(lark: Lark) -> list[dict[str, Any]]:
    """Return the stubs that have answered no request: a typing error, or a call that was never made."""
    return [] if lark.stubs is None else lark.stubs.list_unused()
