"""What an endpoint declares about itself, what its handler is given, and how a path finds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from lark_emulator.exchange import Answer, Request
    from lark_emulator.settings import Settings
    from lark_emulator.tokens import Tokens
    from lark_emulator.websocket.links import Links
    from lark_emulator.world.apps import App
    from lark_emulator.world.drive import Who
    from lark_emulator.world.users import User
    from lark_emulator.world.world import World

    Slices = Generator[None, None, dict[str, Any]]

#: Where what the documentation says is kept.
FOLDER = Path(__file__).parent

Evidence = Literal["sdk + documentation", "documentation"]


@dataclass(slots=True)
class Actor:
    """In whose name something happens: an app in a tenant, in one emulator, or a user by means of the app."""

    world: World
    settings: Settings
    app: App
    tenant_key: str
    user: User | None = field(default=None, kw_only=True)
    """Whose access token was sent; None if it was the app's own."""
    user_scopes: frozenset[str] | None = field(default=None, kw_only=True)
    """What the user allowed the app to do; None = everything."""

    @property
    def who(self) -> Who:
        """The one who acts, as documents name them."""
        return ("app", self.app.app_id) if self.user is None else ("user", self.user.user_id)

    @property
    def author(self) -> App | User:
        """The one who acts, as records name them."""
        return self.app if self.user is None else self.user

    @property
    def open_id(self) -> str:
        """The open_id of the one who acts: of the user, or of the app's bot."""
        return self.app.bot_open_id if self.user is None else self.user.get_id(self.app, "open_id")

    def has_any(self, *scopes: str) -> bool:
        """Return whether the app, or the user to the app, granted one of these scopes."""
        if self.user is None:
            return self.app.has_any(*scopes)
        return self.user_scopes is None or not self.user_scopes.isdisjoint(scopes)


@dataclass(slots=True)
class Call(Actor):
    """One authenticated request on its way through a handler."""

    tokens: Tokens
    links: Links
    request: Request
    route: Route
    params: dict[str, str]
    query: dict[str, str]
    query_pairs: list[tuple[str, str]]
    """The query with names that come more than once."""
    body: bytes
    content_type: str = ""
    hold: float = 0.0
    """Seconds this write holds its table."""
    release: Callable[[], None] | None = None
    """Lets the table go."""
    late: bool = False
    """Whether it is performed after its connection was closed."""


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint.

    Args:
        method: The HTTP method, such as `GET`.
        path: The path with `:name` for its parameters, as Lark's pages write it.
        handler: The function that answers a call with the members of `data` (or of the body itself, if
            `flat`), or, where the answer is not JSON, with the whole of it. One that takes long is a
            generator: other clients are served where it yields.
        unconfirmed: The parts of the answers that are a guess, for the coverage list.
        evidence: The source of what is not a guess, such as `sdk + documentation`.
        token: Whether a token is required; `token_kinds` names the kinds that it may be of.
        flat: Whether the answer's members are next to `code` and `msg`, not in `data`.
        emulated: Whether the endpoint is emulated; otherwise its handler answers that it is not.
    """

    method: str
    path: str
    handler: Callable[[Call], dict[str, Any] | Answer | Slices]
    unconfirmed: tuple[str, ...] = ()
    evidence: Evidence = "sdk + documentation"
    token: bool = True
    flat: bool = False
    emulated: bool = True
    documented: Documented = field(init=False)
    token_kinds: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Attach what the documentation says about limits, scopes, statuses and tokens."""
        object.__setattr__(self, "documented", load_documented().get(self.name, NOTHING))
        kinds = load_token_kinds().get(f"{self.method} {get_path_shape(self.path)}", ("tenant", "user"))
        object.__setattr__(self, "token_kinds", kinds)

    @property
    def name(self) -> str:
        """Method and path template, the endpoint's name everywhere in the emulator."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Documented:
    """What an endpoint's page says: limits as (count, seconds), scopes (any of), odd HTTP statuses."""

    rates: tuple[tuple[float, float], ...] = ()
    scopes: tuple[str, ...] = ()
    statuses: dict[int, int] = field(default_factory=dict)


#: Of most endpoints that are not emulated; they share it.
NOTHING = Documented()


@cache
def load_documented() -> dict[str, Documented]:
    """Load `documented.json`, by endpoint name."""
    raw = orjson.loads(FOLDER.joinpath("documented.json").read_bytes())
    return {
        name: Documented(
            tuple((count, seconds) for count, seconds in page["rates"]),
            tuple(page["scopes"]),
            {int(code): status for code, status in page.get("statuses", {}).items()},
        )
        for name, page in raw["endpoints"].items()
    }


@cache
def load_token_kinds() -> dict[str, tuple[str, ...]]:
    """Load `token_kinds.json`: which endpoints take other tokens than a tenant's or a user's."""
    raw = orjson.loads(FOLDER.joinpath("token_kinds.json").read_bytes())
    return {name: tuple(kinds.split("+")) for kinds, names in raw["endpoints"].items() for name in names}


def get_path_shape(path: str) -> str:
    """Return a path whose parameters have no names, as two sources may name them differently."""
    return "/".join(":" if part.startswith(":") else part for part in path.strip("/").split("/"))


class _Node:
    __slots__ = ("children", "parameter", "routes")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}


class RouteTable:
    """Finds the route of a request; a fixed segment wins over a parameter."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            names = []
            for segment in route.path.strip("/").split("/"):
                if segment.startswith(":"):
                    names.append(segment[1:])
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.children.setdefault(segment, _Node())
            if route.method in node.routes:
                raise ValueError(f"{route.name} is declared twice")
            node.routes[route.method] = (route, tuple(names))

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route and its path parameters, or None.

        A trailing slash is accepted on token endpoints, where live probes saw it work, and where Lark's
        page has it; there it may be left out.
        """
        slashed = path.endswith("/")
        match = _walk(self._root, method, path.strip("/").split("/"), 0, [])
        if match is None:
            return None
        route, names, values = match
        if slashed and route.token and not route.path.endswith("/"):
            return None
        return route, dict(zip(names, values, strict=True))


def _walk(
    node: _Node, method: str, segments: list[str], depth: int, values: list[str]
) -> tuple[Route, tuple[str, ...], list[str]] | None:
    if depth == len(segments):
        end = node.routes.get(method)
        return None if end is None else (*end, values)
    segment = segments[depth]
    fixed = node.children.get(segment)
    if fixed is not None:
        match = _walk(fixed, method, segments, depth + 1, values)
        if match is not None:
            return match
    if node.parameter is not None and segment:
        return _walk(node.parameter, method, segments, depth + 1, [*values, segment])
    return None
