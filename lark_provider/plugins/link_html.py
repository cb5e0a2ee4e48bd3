"""The page for linking as HTML, and the headers that it is served with."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape

from lark_provider.plugins.people_texts import PAGE
from lark_provider.protocol.language import LocalizedText

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 6vh 1rem; display: grid;
  justify-items: center }
main { max-width: 30rem; width: 100%; overflow-wrap: anywhere }
h1 { font-size: 1.4rem; margin: 0 0 1rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1rem; border: 1px solid #8886;
  border-radius: .5rem; padding: 1rem; margin: 0 0 1rem }
dt { opacity: .7 } dd { margin: 0; font-weight: 600 } dd small { font-weight: 400; opacity: .7 }
.warn { border-left: .25rem solid #d97706; padding-left: .75rem }
button, .button { font: inherit; display: inline-block; padding: .6rem 1.6rem; border: 0;
  border-radius: .4rem; background: #1456f0; color: #fff; text-decoration: none; cursor: pointer }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_SHORT, _ENDS = 16, 6
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}
"""Headers of every answer."""
FORM_HEADERS: Mapping[str, str] = {**HEADERS, "Referrer-Policy": "same-origin"}
"""Headers of the page with the form: under `no-referrer` a browser sends its form with the origin `null`.
The address of the page has no code in it, and is not sent as a referrer to other sites."""


def choose_language(accepted: str) -> str:
    """Return the language to show: `zh` or `en`, as `Accept-Language` prefers it; English otherwise.

    Args:
        accepted: The header.
    """
    best, most = "en", 0.0
    for part in accepted[:1000].split(","):
        tag, _, parameter = part.strip().lower().partition(";")
        name, quality = tag.partition("-")[0].strip(), _parse_quality(parameter.strip())
        if name in {"zh", "en"} and quality > most:
            best, most = name, quality
    return best


def _parse_quality(parameter: str) -> float:
    if not parameter.startswith("q="):
        return 1.0
    digits = parameter.removeprefix("q=")[:5]
    return float(digits) if digits.replace(".", "", 1).isascii() and _is_number(digits) else 0.0


def _is_number(digits: str) -> bool:
    return digits.replace(".", "", 1).isdigit()


def shorten(open_id: str) -> str:
    """Return an id short enough to be compared by eye."""
    return open_id if len(open_id) <= _SHORT else f"{open_id[:_ENDS]}…{open_id[-_ENDS:]}"


def render_message_page(language: str, key: str, *, login: str | None = None) -> str:
    """Return a page with a single message.

    Args:
        language: `zh` or `en`.
        key: The key of the text to show.
        login: The URL of the login page, for a button; None for no button.
    """
    button = (
        "" if login is None else f'<p><a class="button" href="{escape(login)}">{_(language, "login")}</a></p>'
    )
    return _render_page(language, "title", f"<p>{_(language, key)}</p>{button}")


def render_linked_page(language: str, rows: Sequence[tuple[str, str, str]]) -> str:
    """Return the page that confirms that the accounts are linked.

    Args:
        language: `zh` or `en`.
        rows: The user and the person who were linked: for each the key of a label, a name, and what tells it
            from others of that name.
    """
    return _render_page(language, "done_title", f"{_render_rows(language, rows)}<p>{_(language, 'done')}</p>")


def render_confirm_page(
    language: str,
    rows: Sequence[tuple[str, str, str]],
    proof: str,
    *,
    replaces: str | None = None,
    notice: str | None = None,
) -> str:
    """Return the page that asks for confirmation.

    Args:
        language: `zh` or `en`.
        rows: Who is linked: the text of a label, a name, and what tells them from others of that name.
        proof: What binds the form to the session and the code.
        replaces: The user to whom the person is linked now.
        notice: The key of the text that says why confirmation is asked for again.
    """
    again = "" if notice is None else f'<p class="warn" role="alert">{_(language, notice)}</p>'
    old = "" if replaces is None else f'<p class="warn">{_(language, "replaces")}{escape(replaces)}</p>'
    return _render_page(
        language,
        "title",
        f"{again}{_render_rows(language, rows)}<p>{_(language, 'explain')}</p>{old}"
        f'<p class="warn">{_(language, "warn")}</p>'
        # Without an action the form goes to the page's own address, whatever a reverse proxy puts before it.
        f'<form method="post"><input type="hidden" name="proof" value="{escape(proof)}">'
        f"<button>{_(language, 'confirm')}</button></form>",
    )


def _render_rows(language: str, rows: Sequence[tuple[str, str, str]]) -> str:
    shown = (
        f"<dt>{_(language, label)}</dt><dd>{escape(name)} <small>{escape(more)}</small></dd>"
        for label, name, more in rows
    )
    return f"<dl>{''.join(shown)}</dl>"


def _render_page(language: str, title: str, content: str) -> str:
    heading = _(language, title)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{heading}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{heading}</h1>{content}</main></body></html>"
    )


def _(language: str, key: str) -> str:
    text: LocalizedText = PAGE[key]
    return escape(text[language])
