"""All endpoints of approvals."""

from __future__ import annotations

from lark_emulator.approval import comments, definitions, instances, querying, tasks

ROUTES = (
    *definitions.ROUTES,
    *instances.ROUTES,
    *querying.ROUTES,
    *tasks.ROUTES,
    *comments.ROUTES,
)
