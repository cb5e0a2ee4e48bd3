"""Each page is there in English and in Chinese, with the same content, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAMES = sorted(page.name for page in (DOCS / "en").iterdir())
GENERATED = ("control-plane.md", "coverage.md")  # with the English texts of the code in both
PAGES = sorted(DOCS.glob("*/*.md"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_REPOSITORY = (
    "https://github.com/airflow-provider-lark/airflow-provider-lark/blob/main/packages/lark-emulator/"
)


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the language and code of each block, without comments at the end of lines."""
    return [(name, re.sub(r"\s+# .*", "", code)) for name, code in _FENCE.findall(page)]


def prose(page: str) -> str:
    return _FENCE.sub("", page)


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = [title.lower() for _, title in _HEADING.findall(prose(page))]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def outline(page: str) -> list[tuple[int, list[set[str]], int]]:
    """Return of each section the level of its heading, the code in each row of tables, and its items."""
    parts = re.split(r"^(#+) .*$", prose(page), flags=re.MULTILINE)
    return [
        (
            len(level),
            [set(re.findall(r"`[^`]+`", row)) for row in re.findall(r"^\|.*", text, re.MULTILINE)],
            len(re.findall(r"^(?:-|\d+\.) ", text, re.MULTILINE)),
        )
        for level, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


def test_each_page_has_a_twin() -> None:
    assert sorted(page.name for page in (DOCS / "zh").iterdir()) == NAMES
    assert len(NAMES) >= 9


@pytest.mark.parametrize("name", NAMES)
def test_the_twin_has_the_same_content(name: str) -> None:
    english, chinese = ((DOCS / language / name).read_text("utf-8") for language in ("en", "zh"))
    assert outline(chinese) == outline(english)
    assert blocks(chinese) == blocks(english)
    assert english.splitlines()[2] == f"[中文](../zh/{name})"
    assert chinese.splitlines()[2] == f"[English](../en/{name})"
    if name not in GENERATED:
        assert len(_CHINESE.findall(prose(chinese))) > len(prose(english).split()) / 2
        titles = [title for level, title in _HEADING.findall(prose(chinese)) if level != "###"]
        assert [title for title in titles if not _CHINESE.search(title)] in ([], ["TLS"], ["pytest"])
    assert not _CHINESE.search(prose(english).replace("[中文]", ""))


def test_a_twin_that_differs_is_noticed() -> None:
    page = "# A\n\n## B\n\n| `a` | x |\n\n```sh\nrun --it  # why\n```\n\n- c\n"
    assert outline(page) == outline(page.replace("## B", "## 二").replace("- c", "- 三").replace("x", "某"))
    assert outline(page) != outline(page.replace("`a`", "`b`"))
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


def test_the_readme_leads_to_each_page_by_whole_addresses() -> None:
    """It is also the page of an index, and part of the wheel, which has no other documents."""
    readme = (ROOT / "README.md").read_text("utf-8")
    targets = re.findall(r"\]\(([^)]+)\)", prose(readme))
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    local = [target.removeprefix(_REPOSITORY) for target in targets if target.startswith(_REPOSITORY)]
    assert [path for path in local if not (ROOT / path.partition("#")[0]).exists()] == []
    assert {f"docs/en/{name}" for name in NAMES} | {f"docs/zh/{name}" for name in NAMES} <= set(local)
    assert not re.search(r"`(?:docs|examples|tests)/", readme)
