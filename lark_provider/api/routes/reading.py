"""Read `lark.yaml`. Pure: the caller reads the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import cast

from lark_provider.api.receivers import make_receiver
from lark_provider.api.routes import escalation_reading as timed
from lark_provider.api.routes.commands import read_rules
from lark_provider.api.routes.members import MemberReader, Mistakes, is_zone
from lark_provider.api.routes.model import (
    Route,
    RouteReceiver,
    Routes,
    What,
)
from lark_provider.api.routes.yaml_text import Value, read_yaml, strip_lines
from lark_provider.protocol.errors import ConfigurationError, InvalidRequestError
from lark_provider.protocol.hitl.people import PeopleSettings, read_people_settings
from lark_provider.protocol.language import Language
from lark_provider.protocol.quiet_hours import QuietHours

_FILE = ("routes", "commands", "defaults", "people", "email_domains", "hold", "new_card_when_lost")
_HOW = ("app", "language", "timezone", "mentions", "quiet")
_MATCH = ("dag", "tag", "owner", "task", "team")
_TIMED = ("quiet_hours", "digest", "escalation")
_ROUTE = ("name", *_MATCH, "to", "what", *_HOW, "mute", "continue", *_TIMED)
_RECEIVER = ("id", "app", "language", "timezone", "mentions")
_WHAT: Mapping[str, frozenset[What]] = {
    "questions": frozenset({"questions"}),
    "failures": frozenset({"failures"}),
    "both": frozenset({"questions", "failures"}),
}
_LANGUAGES = ("zh", "en")
_MAX_HOLD = 3600.0
_MENTION = re.compile(r"ou_[A-Za-z0-9_-]+|all|[^\s<>\"'@,]+@[^\s<>\"'@,]+")
_ID = re.compile(r"[^\s<>\"',]+")
_ZONE_STEP = "write one such as Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class _How:
    """The look of cards, where a route or receiver does not define it."""

    app_id: str | None = None
    language: Language = "zh"
    timezone: str = "UTC"
    mentions: tuple[str, ...] = ()
    quiet: str = ""
    named_zone: str | None = None


def read_routes(text: str | bytes) -> Routes:
    """Read the text of `lark.yaml`.

    Args:
        text: The text, or its bytes as UTF-8; empty for no routes.

    Raises:
        ConfigurationError: Names every mistake with its line and what to do, or that PyYAML is missing.
    """
    outcome = _read(text)
    if isinstance(outcome, ConfigurationError):
        del text  # Error reporters print the arguments of this function, and it may hold a secret by mistake.
        raise outcome
    return outcome


def _read(text: str | bytes) -> Routes | ConfigurationError:
    mistakes = Mistakes()
    try:
        routes = _read_file(read_yaml(text), mistakes)
        mistakes.check()
    except ConfigurationError as error:
        return ConfigurationError(str(error))
    return routes


def _read_file(root: Value, mistakes: Mistakes) -> Routes:
    mistakes.refuse_secrets(root)
    if root.plain is None:
        return Routes()
    file = MemberReader(root, "the file", _FILE, mistakes)
    defaults = file.get("defaults")
    how = (
        _How() if defaults is None else _read_how(MemberReader(defaults, "defaults", _HOW, mistakes), _How())
    )
    route_list = file.get("routes")
    if route_list is not None and not isinstance(route_list.plain, list):
        file.add_mistake("routes", "a list", route_list, "begin each route with `- `")
        route_list = None
    routes = tuple(
        _read_route(MemberReader(route, "a route", _ROUTE, mistakes), number, how)
        for number, route in enumerate(route_list.plain if route_list else (), start=1)
    )
    _check_names(routes, mistakes)
    return Routes(
        routes=routes,
        people=_read_people(file),
        hold=file.read_number("hold", _MAX_HOLD),
        new_card_when_lost=file.read_flag("new_card_when_lost"),
        language=how.language,
        timezone=how.timezone,
        app_id=how.app_id,
        commands=read_rules(file.get("commands"), mistakes),
    )


def _check_names(routes: tuple[Route, ...], mistakes: Mistakes) -> None:
    """Require unique names of routes with a digest, since digests are recorded by the name of their route."""
    known: dict[str, int] = {}
    for route in routes:
        if route.digest is None:
            continue
        if route.name in known:
            mistakes.add(
                route.line,
                f"a route with a digest must have a name of its own, got {route.name[:80]!r}, which line "
                f"{known[route.name]} has, too. Next: change one of them.",
            )
        known.setdefault(route.name, route.line)


def _read_route(route: MemberReader, number: int, defaults: _How) -> Route:
    how = _read_how(route, defaults)
    mute = route.read_flag("mute")
    receivers = tuple(
        dict.fromkeys(
            receiver
            for target in _read_list(route.get("to"))
            if (receiver := _read_receiver(route, target, how)) is not None
        )
    )
    to = route.get("to")
    if mute and to is not None:
        route.add_mistake("to", "left out of a route that mutes", to, "remove `to`, or `mute`")
    elif not mute and (to is None or to.plain == []):
        route.mistakes.add(
            route.line, "a route must have receivers, got none. Next: add `to: [oc_…]`, or `mute: true`."
        )
    quiet = timed.HOURS.fullmatch(how.quiet)
    what = _WHAT[route.read_choice("what", _WHAT, "both")]
    quiet_hours = timed.read_quiet_hours(route, how.named_zone)
    digest = timed.read_digest(route, how.named_zone, quiet_hours)
    escalation = timed.read_escalation(route, how.named_zone)
    for member in _TIMED:
        if (value := route.get(member)) is not None and (
            mute or (member != "quiet_hours" and "failures" not in what)
        ):
            route.add_mistake(
                member, "left out of such a route", value, f"remove {member}, or `mute` and `what`"
            )
    return Route(
        name=route.read_text("name", f"route {number}"),
        line=route.line,
        receivers=receivers,
        what=what,
        dags=route.read_texts("dag"),
        tags=route.read_texts("tag"),
        owners=route.read_texts("owner"),
        tasks=route.read_texts("task"),
        teams=route.read_texts("team"),
        mute=mute,
        is_final=not route.read_flag("continue"),
        quiet=None
        if quiet is None
        else QuietHours(time(int(quiet[1]), int(quiet[2])), time(int(quiet[3]), int(quiet[4])), how.timezone),
        quiet_hours=quiet_hours,
        digest=digest,
        escalation=escalation,
        timezone=how.timezone,
    )


def _read_list(value: Value | None) -> list[Value]:
    if value is None:
        return []
    return value.plain if isinstance(value.plain, list) else [value]


def _read_how(reader: MemberReader, defaults: _How) -> _How:
    """Return how a card looks. Members that a mapping may not have are mistakes already, and are ignored."""
    mentions = reader.read_texts("mentions")
    for mention in mentions:
        if not _MENTION.fullmatch(mention):
            reader.mistakes.add(
                reader.line,
                f"mentions must be open_ids (ou_…), e-mail addresses or all, got {mention[:80]!r}. Next: "
                "name people in one of these ways.",
            )
    language = reader.read_choice("language", _LANGUAGES, defaults.language)
    quiet = reader.check(
        "quiet",
        defaults.quiet,
        timed.HOURS.fullmatch,
        "hours such as 22:00-07:00",
        "write two times of day with a hyphen, in quotes",
    )
    zone = reader.check("timezone", None, is_zone, "an IANA time zone", _ZONE_STEP)
    if zone is None and reader.get("timezone") is not None:
        zone = "UTC"  # The mistake is recorded; what needs a time zone has none to add.
    return _How(
        app_id=reader.read_text("app", defaults.app_id),
        language=cast("Language", language),
        timezone=zone or defaults.timezone,
        mentions=mentions if reader.get("mentions") is not None else defaults.mentions,
        quiet=quiet,
        named_zone=defaults.named_zone if zone is None else zone,
    )


def _read_receiver(route: MemberReader, value: Value, how: _How) -> RouteReceiver | None:
    if not isinstance(value.plain, dict):
        return _read_receiver_by_id(route, value, how)
    reader = MemberReader(value, "a receiver", _RECEIVER, route.mistakes)
    receiver_how = _read_how(reader, how)
    receiver_id = reader.get("id")
    if receiver_id is None:
        reader.mistakes.add(
            value.line,
            "a receiver must have an id, got none. Next: add `id: oc_…`, ou_… or an e-mail address.",
        )
        return None
    return _read_receiver_by_id(route, receiver_id, receiver_how)


def _read_receiver_by_id(route: MemberReader, value: Value, how: _How) -> RouteReceiver | None:
    text = route.as_text("to", value)
    if text is None:
        return None
    try:
        receiver = make_receiver(text)
    except InvalidRequestError as error:
        route.mistakes.add(value.line, str(error))
        return None
    if receiver.id_type == "mobile" or not _ID.fullmatch(text):
        route.add_mistake(
            "to",
            "ids of chats (oc_…), of people (ou_…) or e-mail addresses",
            value,
            "write one of these; `lark-provider doctor` lists the chats of the bot",
        )
        return None
    return RouteReceiver(how.app_id, receiver.id, receiver.id_type, how.language, how.mentions, how.timezone)


def _read_people(file: MemberReader) -> PeopleSettings:
    """Return the mapping of people; each entry is checked alone, so that its line can be named."""
    users: dict[str, str] = {}
    value = file.get("people")
    if value is not None and isinstance(value.plain, dict):
        for open_id, user in value.plain.items():
            users |= _check_people(file, "people", {open_id: strip_lines(user)}, user).users
    elif value is not None:
        _check_people(file, "people", strip_lines(value), value)
    domains = file.get("email_domains")
    settings = (
        PeopleSettings()
        if domains is None
        else _check_people(file, "email_domains", strip_lines(domains), domains)
    )
    return PeopleSettings(users, settings.email_domains)


def _check_people(file: MemberReader, name: str, entries: object, value: Value) -> PeopleSettings:
    try:
        return read_people_settings({name: entries})
    except ConfigurationError as error:
        file.mistakes.add(value.line, str(error))
        return PeopleSettings()
