"""What people do to the records of a table, at once or between two pages of a scan."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

from lark_emulator.control.admin_api import limit_base, read_sight
from lark_emulator.control.seeding import Writer, make_template, make_writer
from lark_emulator.control.specs import (
    read_count,
    read_flag,
    read_names,
    read_text,
    read_whole_number,
    refuse_unknown,
    require_known,
)
from lark_emulator.world.page_plans import PagePlan

if TYPE_CHECKING:
    from lark_emulator.lark import Lark

DOINGS = ("add", "edit", "delete", "limit")
#: Rows that one edit adds: others wait for them.
MAX_ADDED = 10_000
AMONG = ("all", "read", "unread")
TOTALS = ("absent", "stale", "exact")


def edit_records(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Edit the records of a table (`app_token`, `table_id`) in the name of `user_id`, one edit after another.

    Args:
        lark: The emulator that holds the table.
        spec: Arguments by name: `edits`, a list of objects, each with `do` and
            for `add`: `rows` (a list of fields by name), or `count` and `fields`, as for `records/add`;
            for `edit`: `fields`, and `records` (ids) or `pick` (how many, chosen by `seed`);
            for `delete`: `records` or `pick`;
            for `limit`, which an administrator does: `app_id`, `sees` and `writes`, as in `limit_base`.
            `among` says what is picked from: `all`, or, between pages, what the scan has `read` or not
            (`unread`). `seed` (a number) makes the same choice again.

    Returns:
        `edits`: for each `do`, `table_id` and `record_ids`.
    """
    refuse_unknown(spec, "app_token", "table_id", "user_id", "seed", "edits")
    by = make_writer(lark, spec)
    plans = _check(spec)
    return {"edits": _perform(lark, by, plans, random.Random(read_whole_number(spec, "seed")))}  # noqa: S311 - a test's


def list_edits(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return what people did to records, oldest first: `time`, `do`, `table_id`, `record_ids`."""
    return {"edits": list(lark.world.people_edits)}


def plan_page(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Plan what happens at a page of a search or list, see `world.page_plans.PagePlan`.

    Args:
        lark: The emulator to add the plan to.
        spec: Arguments by name: `page`, `times`, `app_token`, `table_id`, `items`, `ends`, `repeats_token`,
            `total`; and for what people do then `edits`, `seed` and `user_id`, as in `records/edit`.
    """
    refuse_unknown(
        spec,
        *("app_token", "table_id", "page", "times", "items", "ends", "repeats_token", "total"),
        *("edits", "seed", "user_id"),
    )
    total = spec.get("total")
    if total is not None and total not in TOTALS and (not isinstance(total, int) or isinstance(total, bool)):
        raise ValueError(f"'total' must be a number or one of {', '.join(TOTALS)}, not {total!r}")
    plan = PagePlan(
        read_whole_number(spec, "page"),
        read_text(spec, "app_token"),
        read_text(spec, "table_id"),
        read_count(spec, "times"),
        None if spec.get("items") is None else read_count(spec, "items"),
        read_flag(spec, "ends", default=False),
        read_flag(spec, "repeats_token", default=False),
        total,
    )
    if spec.get("edits") is not None:
        by = make_writer(lark, spec)
        plan.edits = _check(spec)
        for edit in plan.edits:
            for row in (*edit.get("rows", ()), edit.get("fields", {})):
                for name in row:
                    require_known(by.table.names, "field", name)
        chance = random.Random(read_whole_number(spec, "seed"))  # noqa: S311 - a test's
        plan.answered = partial(_perform, lark, by, plan.edits, chance)
    if not (plan.items or plan.ends or plan.repeats_token or plan.edits or total is not None):
        raise ValueError("a plan needs one of 'items', 'ends', 'repeats_token', 'total', 'edits'")
    lark.world.page_plans.planned.append(plan)
    return list_pages(lark, {})


def list_pages(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return what is still planned for pages."""
    return {"pages": [plan.to_dict() for plan in lark.world.page_plans.planned]}


def clear_pages(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Forget what is planned for pages."""
    lark.world.page_plans.planned.clear()
    return {}


def _check(spec: dict[str, Any]) -> list[dict[str, Any]]:
    plans = spec.get("edits")
    if not isinstance(plans, list) or not plans or not all(isinstance(plan, dict) for plan in plans):
        raise ValueError(f"'edits' must be a list of objects, not {plans!r}")
    for plan in plans:
        doing = plan.get("do")
        if doing == "add":
            _check_addition(plan)
        elif doing == "limit":
            refuse_unknown(plan, "do", "app_id", "sees", "writes")
            read_sight(plan)
        elif doing in DOINGS:
            _check_choice(plan, doing)
        else:
            raise ValueError(f"'do' must be one of {', '.join(DOINGS)}, not {doing!r}")
    return plans


def _check_addition(plan: dict[str, Any]) -> None:
    refuse_unknown(plan, "do", "rows", "count", "fields")
    if ("rows" in plan) == ("fields" in plan):
        raise ValueError("'add' needs either 'rows', or 'count' and 'fields'")
    rows = plan.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"'rows' must be a list of objects, not {rows!r}")
    if not isinstance(plan.get("fields", {}), dict):
        raise ValueError(f"'fields' must be an object, not {plan['fields']!r}")  # noqa: TRY004 - a wrong argument of a request
    read_count(plan, "count", limit=MAX_ADDED)


def _check_choice(plan: dict[str, Any], doing: str) -> None:
    """Check an edit or a deletion, which names records or picks some."""
    refuse_unknown(plan, "do", "records", "pick", "among", *(["fields"] if doing == "edit" else []))
    if ("records" in plan) == ("pick" in plan):
        raise ValueError(f"{doing!r} needs either 'records' or 'pick'")
    read_names(plan, "records")
    read_count(plan, "pick")
    if plan.get("among", "all") not in AMONG:
        raise ValueError(f"'among' must be one of {', '.join(AMONG)}, not {plan['among']!r}")
    if doing == "edit" and not isinstance(plan.get("fields"), dict):
        raise ValueError("'edit' needs 'fields'")


def _perform(
    lark: Lark, by: Writer, plans: list[dict[str, Any]], chance: random.Random, read: int | None = None
) -> list[dict[str, Any]]:
    """Perform edits; those of records that are gone meanwhile are left out.

    Args:
        lark: The emulator that holds the table.
        by: The writer of the table, which edits in the name of a user.
        plans: The edits, as `_check` returned them.
        chance: The random numbers that pick records for edits that do not name any.
        read: How many records the scan has read; None = the edits are not part of a scan.
    """
    done = []
    by.begin()
    for plan in plans:
        if plan["do"] == "add":
            record_ids = _add_rows(by, plan)
        elif plan["do"] == "limit":
            record_ids = []
            terms = {name: value for name, value in plan.items() if name != "do"}
            limit_base(lark, {"app_token": by.app_token, **terms})
        else:
            record_ids = _choose(by, plan, chance, read)
            if plan["do"] == "delete":
                for record_id in record_ids:
                    by.remove(record_id)
            else:
                for n, record_id in enumerate(record_ids):
                    by.change(record_id, by.convert_cells(make_template(by.table, plan["fields"])(n)))
        done.append({"do": plan["do"], "table_id": by.table.table_id, "record_ids": record_ids})
    by.end()
    now = lark.clock.get_time()
    lark.world.people_edits.extend({"time": now, **edit} for edit in done)
    return done


def _add_rows(by: Writer, plan: dict[str, Any]) -> list[str]:
    rows = plan.get("rows")
    if rows is None:
        make = make_template(by.table, plan["fields"])
        rows = [make(n) for n in range(read_count(plan, "count"))]
    return [by.add(by.convert_cells(row)) for row in rows]


def _choose(by: Writer, plan: dict[str, Any], chance: random.Random, read: int | None) -> list[str]:
    records = by.table.records
    record_ids = read_names(plan, "records")
    if record_ids is not None:
        return [record_id for record_id in record_ids if record_id in records]
    listed = records.list_all()
    among = plan.get("among", "all")
    bounds = range(len(listed))
    if read is not None and among != "all":
        bounds = bounds[:read] if among == "read" else bounds[read:]
    picked = chance.sample(bounds, min(read_count(plan, "pick"), len(bounds)))
    return [listed[place].record_id for place in sorted(picked)]
