"""The site in a browser: what it loads, what its search finds, and how it looks on a phone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.page.browser import Browser

from website.layout import LANGUAGES, sources

CODES = [language.code for language in LANGUAGES]
PHONE = (375, 812)
WRONG = """(() => {
  const width = document.documentElement.clientWidth, found = [];
  const shown = (one) => `${one.tagName} ${one.className} ${(one.textContent ?? "").trim().slice(0, 40)}`;
  const scrolls = (one) => {
    for (; one && one !== document.body; one = one.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(one).overflowX)) return true;
    return false;
  };
  if (document.documentElement.scrollWidth > width) found.push("the page scrolls sideways");
  for (const one of document.querySelectorAll(".md-content *, .md-header *, .md-footer *")) {
    const box = one.getBoundingClientRect(), style = getComputedStyle(one);
    if (box.width <= 1 || !box.height || style.visibility === "hidden") continue;
    if ((box.right > width + 1 || box.left < -1) && !scrolls(one)) found.push(`outside: ${shown(one)}`);
    const title = one.closest("[data-md-component=header-topic]");
    const hides = !title && ["hidden", "clip"].includes(style.overflowX);
    if (hides && one.scrollWidth > one.clientWidth + 1) found.push(`cut: ${shown(one)}`);
  }
  for (const one of document.images) if (!one.naturalWidth) found.push(`no picture: ${one.src}`);
  return found.slice(0, 5);
})()"""
"""What does not fit: it is outside of the page, or cut. Code scrolls in its own box. The page's title in the
header, which repeats the one below it, may end with an ellipsis."""
SEARCH = "[...document.querySelectorAll('body > div')].map(one => one.shadowRoot).find(Boolean)"
READY = "document.readyState === 'complete' && document.querySelector('.md-content h1')"


def list_names(site: Path, code: str) -> list[str]:
    return [path.relative_to(site / code).as_posix() for path in sorted((site / code).rglob("*.html"))]


def read(browser: Browser, address: str, name: str) -> None:
    browser.open(f"{address}/{name}")
    browser.wait(f"location.href === {json.dumps(f'{address}/{name}')} && {READY}")


@pytest.mark.parametrize("code", CODES)
def test_every_page_loads_nothing_foreign_and_fits_a_phone(
    site: Path, address: str, browser: Browser, code: str
) -> None:
    pages = [name for name in list_names(site, code) if name != "404.html"]
    assert {name.removesuffix(".md") + ".html" for name in sources(code)} <= set(pages)
    browser.complaints()
    browser.events.clear()
    browser.resize(*PHONE, phone=True)
    wrong: dict[str, list[str]] = {}
    requested: set[str] = set()
    complaints: list[str] = []
    for name in pages:
        read(browser, address, f"{code}/{name}")
        if problems := browser.ask(WRONG):
            wrong[name] = problems
        requested |= {
            event["params"]["request"]["url"]
            for event in browser.events
            if event["method"] == "Network.requestWillBeSent"
        }
        complaints += browser.complaints()
    assert wrong == {}
    assert complaints == []
    assert len(requested) > len(pages)
    foreign = {url for url in requested if urlsplit(url).scheme != "data" and not url.startswith(address)}
    assert foreign == set()


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("<p style='width: 500px'>wide</p>", "the page scrolls sideways"),
        ("<p style='margin-left: -50px'>left</p>", "outside: P  left"),
        (
            "<p style='overflow: hidden; white-space: nowrap; width: 2em'>not to be read</p>",
            "cut: P  not to be",
        ),
        ("<img src='data:image/png;base64,AAAA'>", "no picture: data:image/png;base64,AAAA"),
        ("<p style='overflow: auto'><code style='white-space: pre'>" + "x" * 200 + "</code></p>", None),
    ],
)
def test_what_does_not_fit_is_noticed(address: str, browser: Browser, body: str, wrong: str | None) -> None:
    browser.resize(*PHONE, phone=True)
    read(browser, address, "en/how-to/routes.html")
    browser.ask(
        f"document.querySelector('.md-content h1').insertAdjacentHTML('afterend', {json.dumps(body)})"
    )
    browser.wait("[...document.images].every(one => one.complete)")
    problems = browser.ask(WRONG)
    assert any(problem.startswith(wrong) for problem in problems) if wrong else problems == []


@pytest.mark.parametrize(("code", "words"), [("en", "mirror"), ("zh", "幂等键")])
def test_menu_and_search_are_usable_on_a_phone(address: str, browser: Browser, code: str, words: str) -> None:
    browser.resize(*PHONE, phone=True)
    read(browser, address, f"{code}/index.html")
    browser.click("document.querySelector('.md-header__button[for=__drawer]')")
    link = "document.querySelector('.md-sidebar--primary a[href$=\"tutorials/index.html\"]')"
    inside = "(box => box.width && box.left >= 0 && box.right <= innerWidth)(%s.getBoundingClientRect())"
    browser.wait(f"{link} && {inside % link}")
    browser.click("document.querySelector('.md-header__button[for=__drawer]')")
    browser.click("document.querySelector('.md-search__button')")
    browser.wait(f"{SEARCH}?.querySelector('input')")
    browser.type_text(f"{SEARCH}.querySelector('input')", words)
    browser.wait(f"{SEARCH}.querySelector('ol a') && {inside % (SEARCH + '.querySelector(`ol a`)')}")
    assert browser.ask(inside % f"{SEARCH}.querySelector('input')")


def test_on_a_phone_a_cell_says_what_column_it_is_of(address: str, browser: Browser) -> None:
    browser.resize(*PHONE, phone=True)
    read(browser, address, "en/reference/settings.html")
    cells = "[...document.querySelector('.md-content tbody tr').cells]"
    shown = "getComputedStyle(one, '::before').content"
    assert browser.ask(f"{cells}.map(one => {shown})")[-1] == '"Meaning"'
    tops = browser.ask(f"{cells}.filter(one => one.offsetHeight).map(one => one.getBoundingClientRect().top)")
    assert tops == sorted(set(tops))
    browser.resize(1280, 900)
    assert set(browser.ask(f"{cells}.map(one => {shown})")) <= {"none", "normal"}


@pytest.mark.parametrize(
    ("code", "words", "sentence"),
    [
        ("zh", "幂等键", r"[\u4e00-\u9fff]幂等键"),
        ("zh", "死信队列", "死信队列"),
        ("en", "idempotency", "[Ii]dempotency"),
        ("en", "mirror", "mirror"),
    ],
)
def test_the_search_finds_what_stands_inside_sentences(
    address: str, browser: Browser, code: str, words: str, sentence: str
) -> None:
    texts = {name: path.read_text("utf-8") for name, path in sources(code).items()}
    holding = {
        name.removesuffix(".md") + ".html" for name, text in texts.items() if re.search(sentence, text)
    }
    assert holding
    browser.resize(1280, 900)
    read(browser, address, f"{code}/index.html")
    browser.click("document.querySelector('.md-search__button')")
    browser.wait(f"{SEARCH}?.querySelector('input')")
    browser.type_text(f"{SEARCH}.querySelector('input')", words)
    links = f"[...{SEARCH}.querySelectorAll('ol a')].map(one => one.href)"
    browser.wait(f"{links}.length")
    hits = {unquote(urlsplit(link).path).removeprefix(f"/{code}/") for link in browser.ask(links)}
    assert hits & holding
    results = browser.ask(f"{SEARCH}.querySelector('ol').innerText")
    assert words.lower() in results.lower()


def test_the_menu_of_languages_leads_to_the_same_page(address: str, browser: Browser) -> None:
    read(browser, address, "en/how-to/routes.html")
    browser.click("document.querySelector('.md-select__link[hreflang=zh]')")
    browser.wait(f"location.href === {json.dumps(f'{address}/zh/how-to/routes.html')} && {READY}")
    assert browser.ask("document.documentElement.lang") == "zh"
    browser.click("document.querySelector('.md-select__link[hreflang=en]')")
    browser.wait(f"location.href === {json.dumps(f'{address}/en/how-to/routes.html')} && {READY}")


@pytest.mark.parametrize(("speaks", "home"), [("zh-CN", "zh"), ("de-DE", "en"), ("en-GB", "en")])
def test_the_first_page_knows_the_reader_s_language(
    address: str, browser: Browser, speaks: str, home: str
) -> None:
    browser.speak(speaks)
    browser.open(f"{address}/")
    # Asked of the browser and not of the page, which closes meanwhile.
    url = f"{address}/{home}/index.html"
    browser.wait_for(lambda: browser.call("Target.getTargetInfo")["targetInfo"]["url"] == url)
    browser.wait(READY)
    browser.speak("en-GB")
