"""Who may use the control plane and the page's data: programs, and the page itself; no other web page.

A browser sends requests to 127.0.0.1 for any site that is open in it. It says so: in `Origin` with
everything that can change something, and in `Sec-Fetch-Site` with everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator.exchange import as_json

if TYPE_CHECKING:
    from lark_emulator.exchange import Answer, Request

_OWN_SITES = ("same-origin", "none")  # `none`: typed into the address bar
_JSON = "application/json"


def find_refusal(request: Request) -> Answer | None:
    """Return why a request is refused, or None if it is not."""
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        return _refuse(
            f"a web page of the origin {origin[:200]!r} must not control the emulator. Next: use the page at"
            " / or a program, which sends no Origin header."
        )
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        return _refuse(
            f"a request that a web page of another origin made (Sec-Fetch-Site: {site[:50]}) must not reach"
            " the emulator's control plane. Next: use the page at / or a program."
        )
    kind = request.headers.get("content-type", "")
    if request.body and kind.partition(";")[0].strip().lower() != _JSON:
        return as_json(
            {
                "error": f"the Content-Type of a body must be {_JSON}, not {kind[:200]!r}. Next: send the"
                f" header Content-Type: {_JSON} (curl: -H 'Content-Type: {_JSON}', or --json)."
            },
            415,
        )
    return None


def _refuse(why: str) -> Answer:
    return as_json({"error": why}, 403)
