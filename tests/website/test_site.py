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
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
READY = "document.readyState === 'complete' && document.querySelector('.md-content h1')"


def names(site: Path, code: str) -> list[str]:
    return [path.relative_to(site / code).as_posix() for path in sorted((site / code).rglob("*.html"))]


def read(browser: Browser, address: str, name: str) -> None:
    browser.open(f"{address}/{name}")
    browser.wait(f"location.href === {json.dumps(f'{address}/{name}')} && {READY}")


@pytest.mark.parametrize("code", CODES)
def test_pages_load_nothing_foreign_and_fit_a_phone(
    site: Path, address: str, browser: Browser, code: str
) -> None:
    everything = [name for name in names(site, code) if name != "404.html"]
    written = {name.removesuffix(".md") + ".html" for name in sources(code)}
    assert written <= set(everything)
    chosen = [name for name in everything if name in written][::3]
    pages = sorted({*chosen, *(name for name in everything if name not in written or "index" in name)})
    browser.complaints()
    browser.events.clear()
    browser.resize(390, 844, phone=True)
    too_wide = []
    asked: set[str] = set()
    complaints: list[str] = []
    for name in pages:
        read(browser, address, f"{code}/{name}")
        if browser.ask(WIDE) > 0:
            too_wide.append(name)
        asked |= {
            event["params"]["request"]["url"]
            for event in browser.events
            if event["method"] == "Network.requestWillBeSent"
        }
        complaints += browser.complaints()
    assert too_wide == []
    assert complaints == []
    assert len(asked) > len(pages)
    foreign = {url for url in asked if urlsplit(url).scheme != "data" and not url.startswith(address)}
    assert foreign == set()


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
    box = "[...document.querySelectorAll('body > div')].map(one => one.shadowRoot).find(Boolean)"
    browser.wait(f"{box}?.querySelector('input')")
    browser.type(f"{box}.querySelector('input')", words)
    links = f"[...{box}.querySelectorAll('ol a')].map(one => one.href)"
    browser.wait(f"{links}.length")
    found = {unquote(urlsplit(link).path).removeprefix(f"/{code}/") for link in browser.ask(links)}
    assert found & holding
    results = browser.ask(f"{box}.querySelector('ol').innerText")
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
    # Asked of the browser and not of the page, which goes away meanwhile.
    url = f"{address}/{home}/index.html"
    browser.wait_for(lambda: browser.call("Target.getTargetInfo")["targetInfo"]["url"] == url)
    browser.wait(READY)
    browser.speak("en-GB")
