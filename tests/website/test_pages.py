"""The pages before they are a site: twins, menus, links; and what a build refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lark_provider.protocol.codes import TABLE
from website import checking, markdown, navigation, reference, staging, twins
from website.building import build
from website.layout import CODES, LANGUAGES, ROOT, SITE, SiteError, sources
from website.reference import errors, steps
from website.reference.causes import KINDS
from website.reference.code_causes import CAUSES
from website.reference.translation import Translation

ENGLISH, CHINESE = LANGUAGES
HAN = r"[\u4e00-\u9fff]"
UNTRANSLATED: set[str] = set()
"""Pages without a twin. It stays empty."""


def test_every_page_has_a_twin_that_says_the_same() -> None:
    assert {name: what for name, what in twins.behind().items() if name not in UNTRANSLATED} == {}
    assert {name for name in UNTRANSLATED if name not in twins.behind()} == set()


def test_a_digest_follows_words_and_not_blanks_or_targets() -> None:
    page = "# A\n\nSee [b](b.md). One.\n"
    assert twins.digest(page) == twins.digest("# A  \n\nSee [b](../c.md). One.\n\n")
    assert twins.digest(page) != twins.digest(page.replace("One", "Two"))
    assert twins.read_digest(page) is None
    assert twins.without_mark(page + "\n<!-- Says what the English page says: 0123456789ab -->\n") == page


def make_pages() -> dict[str, str]:
    indexes = {f"{kind}/index.md": "# K\n" for kind in ENGLISH.kinds}
    listed = "# How-to\n\n- [A](a.md): a.\n\n## Group\n\n- [`B`](b.md): b.\n"
    return {
        **indexes,
        "index.md": "# Home\n",
        "how-to/index.md": listed,
        "how-to/a.md": "",
        "how-to/b.md": "",
    }


def test_the_menu_is_what_the_index_pages_list() -> None:
    menu = navigation.menu(ENGLISH, make_pages())
    assert menu[2] == {"How-to": ["how-to/index.md", {"A": "how-to/a.md"}, {"Group": [{"B": "how-to/b.md"}]}]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"how-to/c.md": ""}, r"No index page lists how-to/c\.md \(en\)\. Next: "),
        (
            {"how-to/index.md": "- [A](a.md): a.\n- [B](b.md): b.\n- [A](a.md): a.\n"},
            r"Listed twice: how-to/a\.md",
        ),
    ],
)
def test_a_page_that_is_in_no_list_or_in_two_is_an_error(changed: dict[str, str], message: str) -> None:
    with pytest.raises(SiteError, match=message):
        navigation.menu(ENGLISH, make_pages() | changed)


def test_a_kind_without_its_index_page_is_an_error() -> None:
    site_pages = make_pages()
    del site_pages["explanation/index.md"]
    with pytest.raises(SiteError, match=r"docs/en/explanation/index\.md is missing"):
        navigation.menu(ENGLISH, site_pages)


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("sync.md#keys", "sync.md#keys"),
        ("../reference/bridge.md", "../reference/bridge.md"),
        ("../../zh/how-to/sync.md", "../../zh/how-to/sync.html"),
        ("../../images/local-lark.png", "../images/local-lark.png"),
        (f"{SITE}/en/reference/errors.html#230002", "../reference/errors.md#230002"),
        (f"{SITE}/zh/reference/errors.html", "../../zh/reference/errors.html"),
        ("https://open.feishu.cn/app", "https://open.feishu.cn/app"),
        ("#keys", "#keys"),
    ],
)
def test_links_lead_within_the_site(target: str, leads_to: str) -> None:
    source = sources("en")["how-to/loads.md"]
    assert staging.Links("en", "how-to/loads.md", source, staging.places())(target) == leads_to


def test_links_to_code_lead_to_the_repository() -> None:
    links = staging.Links("en", "how-to/loads.md", sources("en")["how-to/loads.md"], staging.places())
    assert links("../../../SECURITY.md").endswith("/airflow-provider-lark/blob/main/SECURITY.md")
    assert links("../../../deploy").endswith("/airflow-provider-lark/tree/main/deploy")
    assert links.wrong == []
    links("nothing.md")
    assert links.wrong == ["docs/en/how-to/loads.md links to nothing.md, which does not exist"]


def test_links_in_code_are_code() -> None:
    page = "[a](a.md) and `[b](b.md)`\n\n```\n[c](c.md)\n```\n![d](d.png)"
    changed = markdown.with_links(page, str.upper)
    assert changed == "[a](A.MD) and `[b](b.md)`\n\n```\n[c](c.md)\n```\n![d](D.PNG)"


def test_pictures_lead_to_themselves() -> None:
    page = "![d](d.png)\n\ntext ![e](e.png)\n\n```\n![f](f.png)\n```"
    assert markdown.with_large_pictures(page) == page.replace("![d](d.png)", "[![d](d.png)](d.png)")


def test_chinese_lines_are_joined_without_a_blank() -> None:
    page = "# 标题\n正文，\n继续\nand\n英文\n- 一\n  二\n\n| 甲 |\n| 乙 |\n```\n甲\n乙\n```"
    joined = "# 标题\n正文，继续\nand\n英文\n- 一二\n\n| 甲 |\n| 乙 |\n```\n甲\n乙\n```"
    assert markdown.join_lines(page) == joined


def test_lists_in_lists_are_indented_for_python_markdown() -> None:
    page = "1. a\n   b\n   - c\n     d\n\n- e\n  ```\n  f\n    g\n  ```\n\nh\n"
    nested = "1. a\n    b\n    - c\n        d\n\n- e\n    ```\n    f\n      g\n    ```\n\nh\n"
    assert markdown.indent_lists(page) == nested


@pytest.mark.parametrize(
    ("html", "wrong"),
    [
        ('<h1 id="a">A</h1><a href="b.html#b">b</a><img src="c.png">', []),
        ('<a href="d.html">d</a>', ["a.html links to d.html, which is not there"]),
        ('<a href="b.html#c">c</a>', ["a.html links to b.html#c, where there is no such anchor"]),
        ('<a href="../b.html">b</a>', ["a.html links to ../b.html, which is not there"]),
        ('<a href="https://example.com/">fine</a>', []),
        (
            '<img src="https://example.com/e.png">',
            ["a.html loads https://example.com/e.png from another host"],
        ),
        (
            '<link rel="stylesheet" href="//example.com/e.css">',
            ["a.html loads //example.com/e.css from another host"],
        ),
        (
            "<p style=\"background: url('https://example.com/e.png')\">",
            ["a.html loads https://example.com/e.png from another host"],
        ),
    ],
)
def test_the_check_names_wrong_links_and_other_hosts(tmp_path: Path, html: str, wrong: list[str]) -> None:
    (tmp_path / "a.html").write_text(html)
    (tmp_path / "b.html").write_text('<h1 id="b">B</h1>')
    (tmp_path / "c.png").touch()
    assert checking.wrong(tmp_path) == wrong


def test_a_folder_with_something_else_in_it_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "notes.md").touch()
    with pytest.raises(SiteError, match=r"got one that holds notes\.md\. Next: "):
        build(tmp_path)
    assert (tmp_path / "notes.md").exists()


def test_a_site_is_checked_in_a_relative_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    for name, anchor in (("a", "there"), ("b", "gone")):
        (tmp_path / "site" / f"{name}.html").write_text(f'<p id="there"><a href="b.html#{anchor}">b</a>')
    monkeypatch.chdir(tmp_path)
    assert checking.wrong(Path("site")) == ["b.html links to b.html#gone, where there is no such anchor"]


def test_lists_and_tables_have_a_blank_line_before_them() -> None:
    """GitHub does without, Python-Markdown does not."""
    problems = []
    for code in ("en", "zh"):
        for path in sources(code).values():
            before = ""
            for line, is_code in markdown.split_lines(path.read_text("utf-8")):
                begins = re.match(r"(?:[-*]|\d+\.) |\|", line)
                goes_on = re.match(r"\s|(?:[-*]|\d+\.) |\||#", before)
                if not is_code and begins and before.strip() and not goes_on:
                    problems.append(f"{path.relative_to(ROOT)}: {line[:60]}")
                before = "" if is_code else line
    assert problems == []


def test_settings_lists_what_the_code_reads() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "lark_provider").rglob("*.py"))
    read = {name for name in re.findall(r"\b(?:LARK|RABBITMQ|POSTGRES)_[A-Z_]+\b", code) if name[-1] != "_"}
    for language in ("en", "zh"):
        texts = sources(language)
        listed = "".join(texts[f"reference/{name}.md"].read_text("utf-8") for name in ("settings", "bridge"))
        assert read - set(re.findall(r"[A-Z_]+", listed)) - {"POSTGRES_DRIVER"} == set()


@pytest.fixture(scope="module")
def generated() -> dict[str, dict[str, str]]:
    return {language.code: reference.make_pages(language) for language in LANGUAGES}


def test_generated_pages_have_the_same_outline_in_both_languages(
    generated: dict[str, dict[str, str]],
) -> None:
    for name, page in generated["en"].items():
        twin = generated["zh"][name]
        levels = [re.findall(r"^#+(?= )", markdown.prose(text), re.MULTILINE) for text in (page, twin)]
        assert levels[0] == levels[1], name
        assert markdown.find_title(page), name
        assert re.search(r"[\u4e00-\u9fff]", twin), name


def test_signatures_name_nothing_internal(generated: dict[str, dict[str, str]]) -> None:
    for name in ("airflow", "api", "client"):
        page = generated["en"][f"reference/{name}.md"]
        blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        assert len(blocks) > 20
        wrong = r"\b(?:_\w+|R_co|Call|Procedure|Listing|CallOrProcedure|TypeVar|DEFAULT_\w+)\b"
        assert [block for block in blocks if re.search(wrong, block)] == []


def test_errors_are_found_by_code_with_cause_and_cure(generated: dict[str, dict[str, str]]) -> None:
    english, chinese = (generated[code]["reference/errors.md"] for code in ("en", "zh"))
    assert re.search(
        r"230002</span> \|[^|]*\| the bot is not in the chat.*\| add the bot to the chat", english
    )
    assert re.search(r"230002</span> \|[^|]*\| 机器人不在群里.*\| 把机器人加入该群", chinese)


def test_codes_that_people_meet_have_causes_of_their_own(generated: dict[str, dict[str, str]]) -> None:
    assert CAUSES.keys() <= TABLE.keys()
    assert not [
        code for code, (english, chinese) in CAUSES.items() if not (english and re.search(HAN, chinese))
    ]
    for code in CODES:
        rows = re.findall(
            r'<span id="\d+">(\d+)</span> \|[^|]*\| ([^|]+) \|', generated[code]["reference/errors.md"]
        )
        general = {text[code] for text, _ in KINDS.values()}
        own = {int(number) for number, meaning in rows if meaning not in general}
        assert own >= CAUSES.keys()


def test_a_refused_card_is_found_by_its_inner_code(generated: dict[str, dict[str, str]]) -> None:
    english, chinese = (generated[code]["reference/errors.md"] for code in CODES)
    assert re.search(r"200621</span> \| parse card json err.*\| remove the property named", english)
    assert re.search(r"200621</span> \| parse card json err.*\| 去掉报错中的属性", chinese)


@pytest.mark.parametrize(("name", "column"), [("commands", -1), ("metrics", -1), ("tables", -1)])
def test_descriptions_are_in_the_reader_s_language(
    generated: dict[str, dict[str, str]], name: str, column: int
) -> None:
    def read_cells(page: str) -> list[str]:
        rows = re.findall(r"^\| (.+) \|$", markdown.prose(page), re.MULTILINE)
        return [re.split(r" (?<!\\)\| ", row)[column] for row in rows]

    english, chinese = (read_cells(generated[code][f"reference/{name}.md"]) for code in CODES)
    assert len(english) == len(chinese) > 50
    sentences = r"[a-z]{3,} [a-z]{2,} [a-z]{2,}"
    left = [text for text in chinese if re.search(sentences, re.sub(r"`[^`]*`", "", text))]
    assert len([text for text in english if re.search(sentences, text)]) > 40
    assert left == []


def test_a_changed_text_makes_its_chinese_stale() -> None:
    words = Translation("words.py", {"Show one.": "显示一条。"}, {"It is local.": "它在本机。"})
    assert words.say(ENGLISH, "Show one. It is local.") == "Show one. It is local."
    assert words.say(CHINESE, "Show one. It is local.") == "显示一条。它在本机。"
    words.check()
    for language in LANGUAGES:
        with pytest.raises(SiteError, match=r"No Chinese for 'Show two\.'\. Next: add it to words\.py"):
            words.say(language, "Show two.")
    stale = Translation("words.py", {"Show one.": "显示一条。"})
    with pytest.raises(SiteError, match=r"The code has no text 'Show one\.'\. Next: change or remove it"):
        stale.check()


def test_a_text_without_chinese_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(steps.CHINESE, "check the view id")
    with pytest.raises(SiteError, match=r"No Chinese for the steps .*check the view id.*Next: "):
        errors.make_page(CHINESE)
