"""Probes of Bitable; they write into a base that they make."""

from __future__ import annotations

from typing import Any

from lark_provider.verify.probe import (
    TITLE,
    MadeObject,
    ProbeSteps,
    ProbeTarget,
    Reply,
    Request,
    Setting,
    UnexpectedError,
    choose,
    probe,
    require,
)

_NUMBER, _SINGLE_SELECT = 2, 3
_FILTER_TOO_LONG, _NO_OPTION = 1254107, 1254062
_DOCUMENTED_FILTER = 2000


def _undo(reply: Reply) -> Request:
    return Request("DELETE", f"/drive/v1/files/{reply.data['app']['app_token']}", params={"type": "bitable"})


def _ensure_base(target: ProbeTarget) -> MadeObject:
    """Return a new base: its token and the id of the table that it has from the start."""

    def make() -> MadeObject:
        body = {"name": TITLE}
        if target.folder is not None:
            body["folder_token"] = target.folder
        makes = target.describe_document("base")
        return (yield from require(Request("POST", "/bitable/v1/apps", body, undo=_undo, makes=makes)))["app"]

    return (yield from target.make_once("base", make))


def _ensure_table(target: ProbeTarget) -> MadeObject:
    """Return the path of a table with fields `text`, `number` (two decimals) and `option`."""

    def make() -> MadeObject:
        base = yield from _ensure_base(target)
        fields: list[dict[str, Any]] = [
            {"field_name": "text", "type": 1},
            {"field_name": "number", "type": _NUMBER, "property": {"formatter": "0.00"}},
            {"field_name": "option", "type": _SINGLE_SELECT, "property": {"options": [{"name": "a"}]}},
        ]
        table = {"table": {"name": "probes", "fields": fields}}
        tables = f"/bitable/v1/apps/{base['app_token']}/tables"
        data = yield from require(Request("POST", tables, table))
        return f"{tables}/{data['table_id']}"

    return (yield from target.make_once("table", make))


def _probe_new_base(target: ProbeTarget) -> ProbeSteps:
    base = yield from _ensure_base(target)
    records = f"/bitable/v1/apps/{base['app_token']}/tables/{base['default_table_id']}/records"
    data = yield from require(Request("GET", records))
    return "samples" if data.get("items") else "bare"


def _create(table: str, fields: dict[str, Any], **params: str) -> Request:
    return Request("POST", f"{table}/records", {"fields": fields}, params=params)


def _store(target: ProbeTarget, name: str, value: Any) -> MadeObject:
    """Write a value, and return how it is read."""
    table = yield from _ensure_table(target)
    record = (yield from require(_create(table, {name: value})))["record"]
    read = yield from require(Request("GET", f"{table}/records/{record['record_id']}"))
    return read["record"]["fields"].get(name)


def _probe_client_token_replay(target: ProbeTarget) -> ProbeSteps:
    table = yield from _ensure_table(target)
    token = target.make_uuid4("record")
    request = _create(table, {"text": "a"}, client_token=token)
    first = yield from require(request)
    again = yield request
    if again.code:
        return choose(again, {1254608: "1254608", 1255006: "1255006"})
    if again.data["record"]["record_id"] != first["record"]["record_id"]:
        raise UnexpectedError("a second record was made: the client_token was ignored")
    return "same"


def _probe_unchanged_write(target: ProbeTarget) -> ProbeSteps:
    table = yield from _ensure_table(target)
    record = (yield from require(_create(table, {"text": "a"})))["record"]
    reply = yield Request("PUT", f"{table}/records/{record['record_id']}", {"fields": {"text": "a"}})
    return choose(reply, {0: "ok", 1254606: "1254606"})


def _probe_number_precision(target: ProbeTarget) -> ProbeSteps:
    return _choose_answer(
        float((yield from _store(target, "number", 1.23456))), {1.23456: "kept", 1.23: "formatter"}
    )


def _probe_text_ends(target: ProbeTarget) -> ProbeSteps:
    read = yield from _store(target, "text", " a ")
    text = "".join(part["text"] for part in read) if isinstance(read, list) else str(read)
    return _choose_answer(text, {" a ": "kept", "a": "trimmed"})


def _choose_answer(read: Any, answers: dict[Any, Setting]) -> Setting:
    if read in answers:
        return answers[read]
    raise UnexpectedError(f"it was read as {read!r}")


def _probe_unknown_options(target: ProbeTarget) -> ProbeSteps:
    table = yield from _ensure_table(target)
    reply = yield _create(table, {"option": "b"})
    return choose(reply, {0: "created", _NO_OPTION: "refused"})


def _probe_search_total(target: ProbeTarget) -> ProbeSteps:
    table = yield from _ensure_table(target)
    search = Request("POST", f"{table}/records/search", {}, params={"page_size": "500"})
    yield from require(_create(table, {"text": "a"}))
    data = yield from require(search)
    if data.get("total") is None:
        return "absent"
    return "exact" if data["total"] == len(data.get("items") or ()) else "stale"


def _probe_bitable_error_status(target: ProbeTarget) -> ProbeSteps:
    table = yield from _ensure_table(target)
    malformed = f"{target.nonce}-malformed"  # documented: HTTP 400
    reply = yield _create(table, {"text": "a"}, client_token=malformed)
    if not reply.code:
        raise UnexpectedError("a malformed client_token was not refused")
    return "200" if reply.status == 200 else "documented"  # noqa: PLR2004 - HTTP


def _probe_max_filter_chars(target: ProbeTarget) -> ProbeSteps:
    table = yield from _ensure_table(target)
    condition = {"field_name": "text", "operator": "is", "value": ["x" * _DOCUMENTED_FILTER]}
    body = {"filter": {"conjunction": "and", "conditions": [condition]}}
    reply = yield Request("POST", f"{table}/records/search", body)
    return choose(reply, {_FILTER_TOO_LONG: _DOCUMENTED_FILTER, 0: 0})


PROBES = (
    probe(
        "new_base",
        "Whether the table that a new base has from the start has rows without values.",
        answers=("samples", "bare"),
        calls=1,
        run=_probe_new_base,
    ),
    probe(
        "client_token_replay",
        "A record written again with its client_token is the first one again, or one of two errors.",
        answers=("same", "1254608", "1255006"),
        calls=2,
        run=_probe_client_token_replay,
    ),
    probe(
        "unchanged_write",
        "Whether a record that is overwritten with what is there already is a success.",
        answers=("ok", "1254606"),
        calls=2,
        run=_probe_unchanged_write,
    ),
    probe(
        "number_precision",
        "Whether a number field keeps more decimals than it shows.",
        answers=("kept", "formatter"),
        calls=2,
        run=_probe_number_precision,
    ),
    probe(
        "text_ends",
        "Whether white space at both ends of a text is kept.",
        answers=("kept", "trimmed"),
        calls=2,
        run=_probe_text_ends,
    ),
    probe(
        "unknown_options",
        "Whether a write makes an option that a select field does not have.",
        answers=("created", "refused"),
        calls=1,
        run=_probe_unknown_options,
    ),
    probe(
        "search_total",
        "Whether the `total` of a search counts the newest write.",
        answers=("exact", "absent", "stale"),
        calls=2,
        run=_probe_search_total,
    ),
    probe(
        "bitable_error_status",
        "Whether the errors of Bitable have a status of their own, or always 200.",
        answers=("documented", "200"),
        calls=1,
        run=_probe_bitable_error_status,
    ),
    probe(
        "max_filter_chars",
        "Whether a search's filter may be longer than 2,000 characters.",
        answers=(_DOCUMENTED_FILTER, 0),
        calls=1,
        run=_probe_max_filter_chars,
    ),
)
