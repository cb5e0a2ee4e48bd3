"""The documents that have Chinese twins: each has the same content, and names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lark_provider.api.routes.reading import read_routes
from lark_provider.bridge import settings
from lark_provider.get_provider_info import get_provider_info
from lark_provider.storage import retention
from lark_provider.support import measured

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TWINS = sorted(page.relative_to(DOCS / "zh").as_posix() for page in (DOCS / "zh").rglob("*.md"))
PAGES = sorted(DOCS.rglob("*.md"))
OF_THE_BRIDGE = [DOCS / language / name for name in TWINS for language in ("en", "zh")]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


def blocks(page: str, language: str = "") -> list[tuple[str, str]]:
    """Return the language and code of each block, without comments; of one language, if it is given."""
    code_blocks = [(name, re.sub(r"\s+# .*", "", code)) for name, code in _FENCE.findall(page)]
    return [block for block in code_blocks if language in {"", block[0]}]


def prose(page: str) -> str:
    return _FENCE.sub("", page)


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = [title.lower() for _, title in _HEADING.findall(prose(page))]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def outline(page: str) -> list[tuple[int, int, int]]:
    """Return of each section the level of its heading, its rows of tables and its items of lists."""
    parts = re.split(r"^(#+) .*$", prose(page), flags=re.MULTILINE)
    rows, items = re.compile(r"^\|", re.MULTILINE), re.compile(r"^(?:-|\d+\.) ", re.MULTILINE)
    return [
        (len(level), len(rows.findall(text)), len(items.findall(text)))
        for level, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


@pytest.mark.parametrize("name", TWINS)
def test_the_chinese_twin_has_the_same_content(name: str) -> None:
    page, twin = DOCS / "en" / name, DOCS / "zh" / name
    english, chinese = page.read_text("utf-8"), twin.read_text("utf-8")
    assert outline(chinese) == outline(english)
    assert blocks(chinese) == blocks(english)
    assert len(re.findall(r"[\u4e00-\u9fff]", prose(chinese))) > len(prose(english).split()) / 2
    assert all(re.search(r"[\u4e00-\u9fff]", title) for _, title in _HEADING.findall(prose(chinese)))


def test_a_twin_that_differs_is_noticed() -> None:
    page = "# A\n\n## B\n\n```sh\nrun --it  # why\n```\n\n- c\n"
    assert outline(page) == [(1, 0, 0), (2, 0, 1)]
    assert outline(page) == outline(page.replace("## B", "## 二").replace("- c", "- 三"))
    assert outline(page) != outline(page.replace("## B", "### B"))
    assert outline(page) != outline(page.replace("- c\n", ""))
    assert blocks(page) == blocks(page.replace("# why", "# 为何"))
    assert blocks(page) != blocks(page.replace("--it", "--that"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https:)([^)]+)\)", prose(page.read_text("utf-8"))):
        path, _, anchor = target.partition("#")
        other = page if not path else (page.parent / path).resolve()
        assert other.exists(), target
        assert not anchor or anchor in anchors(other.read_text("utf-8")), target


@pytest.mark.parametrize("page", OF_THE_BRIDGE, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_routes_are_valid(page: Path) -> None:
    for _, code in blocks(page.read_text("utf-8"), "yaml"):
        if "Probe:" in code:  # of Kubernetes
            continue
        routes = read_routes(code)
        assert routes.routes or routes.people.users or routes.commands


@pytest.mark.parametrize("page", OF_THE_BRIDGE, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_settings_metrics_and_alerts_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    options = get_provider_info()["config"]["lark"]["options"]  # type: ignore[index]
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "lark_provider").rglob("*.py"))
    known = {*re.findall(r"\bLARK_[A-Z_]+\b", code), *(f"LARK_{name.upper()}" for name in options)}
    known |= {f"{retention.PREFIX}{name.upper()}" for name in retention.list_names()}
    known |= {settings.URL, settings.USERNAME, settings.PASSWORD, settings.TOKEN}
    assert set(re.findall(r"\bLARK_[A-Z_]+\b", text)) - known == set()
    named = {*re.findall(r"\[lark\] (\w+)", text)}
    for _, block in blocks(text, "ini"):
        if block.startswith("[lark]"):
            named |= set(re.findall(r"^(\w+) =", block, re.MULTILINE))
    assert named - options.keys() == set()
    metrics = {metric.name for metric in measured.ALL}
    assert set(re.findall(r"\blark_(?:bridge|outbox|airflow)_\w+", text)) - metrics == set()
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert set(re.findall(r"`(Lark(?:Bridge|Outbox)\w+)`", text)) - alerts == set()


def test_the_readme_says_the_same_in_chinese_and_leads_to_twins() -> None:
    english, chinese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md"))
    assert outline(chinese) == outline(english)
    assert blocks(chinese) == blocks(english)
    pages = [re.findall(r"/blob/main/docs/(en|zh)/([\w/-]+\.md)", text) for text in (english, chinese)]
    assert [name for _, name in pages[0]] == [name for _, name in pages[1]]
    assert {language for language, _ in pages[0]} == {"en"}
    assert [name for language, name in pages[1] if language == "en" and name in TWINS] == []
