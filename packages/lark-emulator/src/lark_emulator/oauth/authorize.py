"""The authorization page, `GET /authen/v1/authorize`: a user is asked, and sent back with a code.

Nobody has to look at it: the user that the control plane has put at the browser agrees at once, or refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from lark_emulator.codes import RefusedError
from lark_emulator.exchange import Answer
from lark_emulator.oauth import refusals
from lark_emulator.routing import Call, Route
from lark_emulator.world.consents import AuthorizationCode, Consent

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User

CODE_LIFE = 5 * 60
MAX_SCOPES = 50
METHODS = ("plain", "S256")
#: Addresses that a browser would run instead of opening.
_SCRIPTS = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})


def authorize(call: Call) -> Answer:
    """Send the browser back to the app with `code` and `state`, or with `error=access_denied`."""
    app = call.world.apps.get(call.query.get("client_id") or call.query.get("app_id", ""))
    if app is None or not app.enabled:
        raise RefusedError(refusals.PAGE_APP)
    address = call.query.get("redirect_uri", "")
    _check_address(app, address)
    if call.query.get("response_type", "code") != "code":
        raise RefusedError(refusals.PAGE_PARAM)
    method = call.query.get("code_challenge_method") or "plain"
    if method not in METHODS:
        raise RefusedError(refusals.PAGE_PARAM)
    scopes = _read_scopes(call, app)
    state = {"state": call.query["state"]} if call.query.get("state") else {}
    if call.world.consents.denies:
        return _redirect(address, {"error": "access_denied", **state})
    now = call.world.clock.get_time()
    user = find_visitor(call)
    code = call.world.consents.add_code(
        AuthorizationCode(
            Consent(app, user.tenant_key, user, _find_granted(call, app, user, scopes), now),
            address,
            now + CODE_LIFE,
            call.query.get("code_challenge", ""),
            method,
        )
    )
    return _redirect(address, {"code": code, **state})


def find_visitor(call: Call) -> User:
    """Return the user at the browser.

    Raises:
        RefusedError: 20008, there is none.
    """
    users = call.world.users
    user = users.get(call.world.consents.visitor) or next(iter(users.values()), None)
    if user is None:
        raise RefusedError(refusals.OLD_USER)
    return user


def _read_scopes(call: Call, app: App) -> frozenset[str]:
    wanted = call.query.get("scope", "").split()
    if len(wanted) > MAX_SCOPES:
        raise RefusedError(refusals.PAGE_PARAM)
    if app.scopes is not None and not app.scopes.issuperset(wanted):
        missing = ", ".join(sorted(set(wanted) - app.scopes))
        raise RefusedError(refusals.PAGE_SCOPE._replace(msg=f"{refusals.PAGE_SCOPE.msg}: [{missing}]"))
    return frozenset(wanted)


def _find_granted(call: Call, app: App, user: User, scopes: frozenset[str]) -> frozenset[str] | None:
    """Return what the user has allowed by now; None = everything that the app may do at all."""
    granted = call.world.consents.grant(app, user, scopes)
    if scopes or call.settings.scopeless_authorization == "granted":
        return granted
    return None if app.scopes is None else call.world.consents.grant(app, user, app.scopes)


def _check_address(app: App, address: str) -> None:
    parts = urlsplit(address)
    opens = parts.scheme and (parts.netloc or parts.path) and parts.scheme.lower() not in _SCRIPTS
    listed = app.redirect_urls is None or address in app.redirect_urls
    if not opens or not listed or any(letter < " " for letter in address):
        raise RefusedError(refusals.PAGE_REDIRECT)


def _redirect(address: str, more: dict[str, str]) -> Answer:
    parts = urlsplit(address)
    query = f"{parts.query}&{urlencode(more)}" if parts.query else urlencode(more)
    # Headers are Latin-1, and what people write into an address is not.
    place = quote(urlunsplit(parts._replace(query=query)), safe="%/:=&?~#+!$,;'@()*[]")
    return Answer(302, b"", headers={"Location": place})


def _make_page_route(path: str, *more: str) -> Route:
    return Route(
        "GET",
        path,
        authorize,
        unconfirmed=(
            "who agrees is set by the control plane (`authorize`), by default the first user, at once",
            "what is wrong is answered as JSON with HTTP 400, where Lark shows a page",
            "without `scope`: what was granted before (settable, `scopeless_authorization`: all of the app)",
            *more,
        ),
        evidence="documentation",
        token=False,
        flat=True,
    )


ROUTES = (
    _make_page_route("/open-apis/authen/v1/authorize"),
    _make_page_route(
        "/open-apis/authen/v1/index", "the older address, with `app_id` in the place of `client_id`"
    ),
)
