"""The page `/lark/link`, where a person in Lark confirms which user of Airflow they are.

A code in the address says who it is in Lark, and Airflow's session who it is in Airflow. The code is moved
into a cookie at once, so that it is in no address, page or log afterwards. Nothing is linked before the
person has confirmed it on this page, in this session, with this code.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from lark_provider.config import AppDisabledError
from lark_provider.errors import LarkError
from lark_provider.plugins import users
from lark_provider.plugins.directory import Directory, DirectoryEntry
from lark_provider.plugins.identity import read_base_url
from lark_provider.plugins.link_html import (
    FORM_HEADERS,
    HEADERS,
    choose_language,
    render_confirm_page,
    render_linked_page,
    render_message_page,
    shorten,
)
from lark_provider.plugins.logs import get_logger
from lark_provider.plugins.users import AuthManagerUnsupportedError, InactiveUserError
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.link_codes import CODE_MINUTES, LinkCodes
from lark_provider.storage.people import Account, People, Person
from lark_provider.support.throttle import Throttle

logger = get_logger(__name__)
T = TypeVar("T")

PATH = "/link"
CODE_COOKIE = "lark_link"
_CODE = re.compile(r"[A-Za-z0-9_-]{20,64}")
_MAX_BODY_BYTES = 4096
_REDACTED = b"code=***"
_throttle = Throttle()


class _Answer(Exception):  # noqa: N818 - not an error: it ends the request
    """A message that the person gets instead of the requested page."""

    def __init__(self, status: int, key: str, *, login: bool = False) -> None:
        super().__init__(status, key)
        self.status, self.key, self.login = status, key, login


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who visits the page."""

    code: str
    person: Person
    account: Account
    proof: str


class LinkPage:
    """The page for linking.

    Args:
        people: The links and codes.
        directory: What Lark says about people.
        base_url: Returns `[api] base_url`; None if it is not set.
    """

    def __init__(
        self,
        people: People,
        directory: Directory | None = None,
        base_url: Callable[[], str | None] = read_base_url,
    ) -> None:
        self._people, self._directory, self._base_url = people, directory or Directory(), base_url

    async def get(self, request: Request) -> Response:
        """Show which accounts would be linked; without a session, redirect to the login."""
        if "code" in request.query_params:
            return self._take_code(request)
        return await self._answer(request, self._show)

    async def post(self, request: Request) -> Response:
        """Link the accounts, as the person has confirmed on the page."""
        return await self._answer(request, self._link)

    def _take_code(self, request: Request) -> Response:
        code = request.query_params["code"]
        # Access logs are written when the request ends, from this very scope.
        request.scope["query_string"] = _REDACTED
        if not _CODE.fullmatch(code):
            return self._render_message(request, _Answer(400, "no_code"))
        # Relative, so that it holds behind any prefix of a reverse proxy; likewise the cookie has no path.
        response = RedirectResponse("link", 303, headers=dict(HEADERS))
        response.set_cookie(
            CODE_COOKIE,
            code,
            max_age=CODE_MINUTES * 60,
            path=None,
            secure=self._is_secure(request),
            httponly=True,
            samesite="lax",
        )
        return response

    async def _answer(self, request: Request, handler: Callable[[Request], Any]) -> Response:
        try:
            answer: Response = await handler(request)
        except _Answer as answered:
            return self._render_message(request, answered)
        except AuthManagerUnsupportedError as error:
            logger.warning("Auth manager cannot restore users", extra={"reason": str(error)})
            return self._render_message(request, _Answer(501, "unsupported"))
        except InactiveUserError as error:
            logger.warning("Airflow user not linked", extra={"reason": str(error)})
            return self._render_message(request, _Answer(403, "no_account"))
        except AppDisabledError as error:
            logger.warning("Account-link page refused: the app is disabled", extra={"reason": str(error)})
            return self._render_message(request, _Answer(403, "app_disabled"))
        except LarkError:
            logger.exception("Page for linking people failed")
            return self._render_message(request, _Answer(503, "unavailable"))
        return answer

    async def _show(self, request: Request, notice: str | None = None) -> Response:
        visit = await self._visit(request)
        if isinstance(visit, Response):
            return visit
        listed, replaced = await run_in_threadpool(self._look_up_person, visit)
        page = render_confirm_page(
            _choose_language(request),
            _list_rows(visit, listed),
            visit.proof,
            replaces=replaced,
            notice=notice,
        )
        return HTMLResponse(page, 200 if notice is None else 403, headers=dict(FORM_HEADERS))

    async def _link(self, request: Request) -> Response:
        self._check_origin(request)
        proof = await _read_form_value(request, "proof")
        visit = await self._visit(request)
        if isinstance(visit, Response):
            raise _Answer(401, "session", login=True)
        if not (proof.isascii() and hmac.compare_digest(proof, visit.proof)):
            return await self._show(request, "changed")
        listed = await run_in_threadpool(self._require_present, visit.person)
        linked = await run_in_threadpool(LinkCodes(self._people).link_person, visit.code, visit.account)
        if linked is None:
            raise _Answer(410, await run_in_threadpool(self._explain_code, visit.code))
        logger.info(
            "Person linked",
            extra={
                "open_id": visit.person.open_id,
                "app_id": visit.person.app_id,
                "airflow_user": visit.account.user_name,
            },
        )
        page = render_linked_page(_choose_language(request), _list_rows(visit, listed))
        response = HTMLResponse(page, headers=dict(HEADERS))
        response.delete_cookie(CODE_COOKIE, path=None)  # type: ignore[arg-type] # as it was set
        return response

    async def _visit(self, request: Request) -> _Visit | Response:
        """Return who visits; a redirect to the login of Airflow without a session."""
        code = request.cookies.get(CODE_COOKIE, "")
        link_code = await run_in_threadpool(LinkCodes(self._people).find, code)
        if link_code is None:
            raise _Answer(400, "no_code")
        if link_code.state != "valid":
            raise _Answer(410, link_code.state)
        session = request.cookies.get(_get_cookie_name(), "")
        if not session:
            return RedirectResponse(self._make_login_url(), 303, headers=dict(HEADERS))
        account = await _read_account(session)
        proof = _compute_proof(session, code, account)
        return _Visit(code, link_code.person, account, proof)

    def _look_up_person(self, visit: _Visit) -> tuple[DirectoryEntry, str | None]:
        """Return Lark's entry of the person, and the user to whom they are linked now, if it is another."""
        listed, person = self._require_present(visit.person), visit.person
        try:
            known = self._people.find(person.app_id, person.tenant_key, person.open_id)
        except DecryptionError:
            return listed, None
        is_other = known is not None and known.account.user_id != visit.account.user_id
        return listed, known.account.user_name if known is not None and is_other else None

    def _require_present(self, person: Person) -> DirectoryEntry:
        """Return what Lark says about a person, who must not have left."""
        listed = self._directory.get(person.app_id, person.open_id)
        if listed.standing == "inactive":
            logger.warning("Person refused", extra={"outcome": "inactive", "open_id": person.open_id})
            raise _Answer(403, "left")
        return listed

    def _explain_code(self, code: str) -> str:
        link_code = LinkCodes(self._people).find(code)
        return "no_code" if link_code is None else "used" if link_code.state == "valid" else link_code.state

    def _check_origin(self, request: Request) -> None:
        """Refuse a form of another site."""
        origin, fetched = request.headers.get("origin", ""), request.headers.get("sec-fetch-site")
        own = {request.headers.get("host", "").lower(), urlsplit(self._base_url() or "").netloc.lower()}
        scheme, _, host = origin.lower().partition("://")
        is_own = scheme in {"http", "https"} and host in own - {""}
        if not is_own or fetched not in {None, "same-origin"}:
            _warn_of_origin(origin[:200])
            raise _Answer(403, "foreign_origin")

    def _render_message(self, request: Request, answer: _Answer) -> Response:
        login = self._make_login_url() if answer.login else None
        page = render_message_page(_choose_language(request), answer.key, login=login)
        return HTMLResponse(page, answer.status, headers=dict(HEADERS))

    def _make_login_url(self) -> str:
        """Return Airflow's login, which leads back here; nothing in it comes from the request."""
        root = urlsplit(self._base_url() or "").path.rstrip("/")
        return f"{root}/api/v2/auth/login?next={quote(f'{root}/lark{PATH}', safe='')}"

    def _is_secure(self, request: Request) -> bool:
        return request.url.scheme == "https" or (self._base_url() or "").startswith("https:")


def make_application(page: LinkPage) -> Starlette:
    """Return the page as an ASGI application, to be mounted at `/lark`.

    Args:
        page: The page.
    """
    app = Starlette(routes=make_routes(page))
    app.router.redirect_slashes = False
    return app


def make_routes(page: LinkPage) -> list[Route]:
    """Return the routes below `/lark`.

    Args:
        page: The page.
    """
    return [Route(PATH, page.get, methods=["GET"]), Route(PATH, page.post, methods=["POST"])]


def _warn_of_origin(origin: str) -> None:
    _throttle.flush()
    _throttle.log(logger.warning, "Link refused: the form came from another site", extra={"origin": origin})


def _warn_of_session(problem: str) -> None:
    _throttle.flush()
    _throttle.log(logger.warning, "Airflow session refused", extra={"error": problem}, kind=problem)


async def _read_account(session: str) -> Account:
    """Return the user of Airflow's session."""
    from jwt import InvalidTokenError

    manager = users.find_auth_manager()
    try:
        user = await manager.get_user_from_token(session)
    except (InvalidTokenError, ValueError) as error:
        _warn_of_session(type(error).__name__)
        raise _Answer(401, "session", login=True) from None
    return await run_in_threadpool(users.make_account, user, manager)


async def _read_form_value(request: Request, name: str) -> str:
    """Return a field of a small form; an empty string unless the field occurs exactly once."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise _Answer(415, "changed")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY_BYTES:
                raise _Answer(413, "too_large")
    except ClientDisconnect:
        raise _Answer(400, "changed") from None
    try:
        fields = parse_qs(bytes(body).decode("ascii"), max_num_fields=8)
    except ValueError:
        return ""
    values = fields.get(name, [])
    return values[0] if len(values) == 1 else ""


def _compute_proof(session: str, code: str, account: Account) -> str:
    """Return what only a page of this session, this code and this user has.

    The session's token is the key: it is secret, and a page of another site cannot read it.
    """
    text = f"lark link\0{code}\0{account.auth_manager}\0{account.user_id}"
    return hmac.new(session.encode("utf-8", "surrogatepass"), text.encode(), hashlib.sha256).hexdigest()


def _get_cookie_name() -> str:
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN

    return COOKIE_NAME_JWT_TOKEN


def _list_rows(visit: _Visit, listed: DirectoryEntry) -> list[tuple[str, str, str]]:
    person, account = visit.person, visit.account
    lark = (listed.name, shorten(person.open_id)) if listed.name else (shorten(person.open_id), "")
    number = account.user_id if account.user_id != account.user_name else ""
    return [("lark", *lark), ("airflow", account.user_name, number)]


def _choose_language(request: Request) -> str:
    return choose_language(request.headers.get("accept-language", ""))
