"""Errors: the exceptions of the package, and Lark's codes with cause and cure."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import groupby

import lark_emulator.codes
import lark_emulator.codes_im
import lark_emulator.codes_office

from lark_provider import errors
from lark_provider.protocol.codes import TABLE, TOKENS, Code
from website.layout import Language, SiteError
from website.reference import writing
from website.reference.card_causes import CARDS
from website.reference.causes import EXCEPTIONS, KINDS
from website.reference.code_causes import CAUSES
from website.reference.steps import CHINESE

_MANY = 4
"""From so many codes in a row with one meaning on, they are one line."""

_GROUPS: tuple[tuple[str, str, Callable[[int], bool]], ...] = (
    (
        "Any endpoint",
        "所有接口",
        lambda code: code in {9499, 10002, 10003} or code in range(99_000_000, 100_000_000),
    ),
    ("Tokens", "获取 token", lambda code: code in TOKENS),
    (
        "Custom bots",
        "自定义机器人",
        lambda code: code in range(11_206, 11_300) or code in range(19_000, 19_100),
    ),
    ("Messages and chats", "消息与群", lambda code: code in {11_205, 200_810, *range(230_000, 233_000)}),
    ("Images and files in messages", "消息里的图片与文件", lambda code: code in range(234_000, 235_000)),
    ("Bitable", "多维表格", lambda code: code in range(1_254_000, 1_256_000)),
    (
        "Spreadsheets",
        "电子表格",
        lambda code: code in range(90_000, 96_000) or code in range(1_310_000, 1_316_000),
    ),
    (
        "Folders, files, permissions and their events",
        "云空间：文件夹、文件、权限与事件",
        lambda code: code in range(1_061_000, 1_070_000),
    ),
    ("Wiki", "知识库", lambda code: code in range(131_000, 132_000)),
    ("People", "通讯录", lambda code: code in range(40_000, 42_000)),
    ("Calendars", "日历", lambda code: code in range(190_000, 194_000)),
    (
        "Native approvals",
        "飞书审批",
        lambda code: code in range(60_000, 61_000) or code in range(1_390_000, 1_400_000),
    ),
)

_TEXTS = {
    "en": (
        "Errors",
        "Every error of this package is a `LarkError`. Its message ends with `Next: …`, and says what to do. An "
        "error of Lark's carries `code`, `msg` and `log_id`; quote the log id to Lark's support.",
        "Exceptions",
        ("Exception", "Is a", "When"),
        "Codes of Lark",
        "Find the code in your log line. *Lark says* is the text that Lark sends with it, where it is known; the "
        "cure is what our message prints after `Next:`. A code that is not listed is an ordinary refusal, "
        "`LarkAPIError`: look it up in Lark's documentation.",
        ("Code", "Lark says", "What it means", "What to do"),
        "What a code means decides what is raised and what is repeated:",
        ("Meaning", "Raised"),
        "Refused cards",
        "230099, and 11246 of a custom bot, carry a second code in their text, behind `ErrCode`:",
    ),
    "zh": (
        "错误",
        "本包的所有错误都是 `LarkError`。报错文本以 `Next: …` 结尾，写明下一步怎么做。飞书返回的错误带有 `code`、`msg` 和 "
        "`log_id`；联系飞书技术支持时请提供 log id。",
        "异常类",
        ("异常", "基类", "何时抛出"),
        "飞书错误码",
        "按日志里的错误码查找。“飞书原文”是飞书随该码返回的文本（已知的才列出）；“怎么办”就是报错里 `Next:` 之后的内容。"
        "没有列出的码按一般拒绝处理，抛出 `LarkAPIError`，请查飞书文档。",
        ("错误码", "飞书原文", "含义与原因", "怎么办"),
        "含义决定抛出什么异常、是否重试：",
        ("含义", "抛出"),
        "被拒绝的卡片",
        "230099（自定义机器人为 11246）的报错文本里还有第二个码，在 `ErrCode` 之后：",
    ),
}


def make_page(language: Language) -> str:
    """Return the page of errors.

    Raises:
        SiteError: A step has no Chinese, or a code belongs to no group.
    """
    if missing := sorted({code.step for code in TABLE.values()} - CHINESE.keys()):
        raise SiteError(f"No Chinese for the steps {missing}. Next: add it to website/reference/steps.py.")
    if lost := [code for code in TABLE if not any(holds(code) for *_, holds in _GROUPS)]:
        raise SiteError(f"The codes {lost} are in no group. Next: add one to website/reference/errors.py.")
    title, intro, classes, class_heads, codes, about, heads, kinds, kind_heads, cards, about_cards = _TEXTS[
        language.code
    ]
    return writing.join_parts(
        f"# {title}",
        intro,
        f"## {classes}",
        writing.table(class_heads, _exceptions(language)),
        f"## {codes}",
        about,
        kinds,
        writing.table(kind_heads, [(text[language.code], raised) for text, raised in KINDS.values()]),
        *(
            f"### {chinese if language.code == 'zh' else english}\n\n"
            + writing.table(heads, _make_rows(language, [code for code in TABLE if holds(code)]))
            for english, chinese, holds in _GROUPS
            if any(map(holds, TABLE))
        ),
        f"### {cards}",
        about_cards,
        writing.table(heads, _cards(language)),
    )


def _cards(language: Language) -> list[tuple[str, str, str, str]]:
    return [
        (
            f'<span id="{refusal.number}">{refusal.number}</span>',
            refusal.says,
            getattr(refusal.cause, language.code),
            getattr(refusal.cure, language.code),
        )
        for refusal in CARDS
    ]


def _exceptions(language: Language) -> list[tuple[str, str, str]]:
    exceptions = [getattr(errors, name) for name in errors.__all__]
    if missing := {exception.__name__ for exception in exceptions} ^ EXCEPTIONS.keys():
        raise SiteError(f"Exceptions differ: {sorted(missing)}. Next: change website/reference/causes.py.")
    return [
        (
            f"`{exception.__name__}`",
            ", ".join(f"`{base.__name__}`" for base in exception.__bases__),
            EXCEPTIONS[exception.__name__]
            if language.code == "zh"
            else (inspect.getdoc(exception) or "").partition("\n\n")[0],
        )
        for exception in sorted(exceptions, key=lambda error: (len(error.__mro__), error.__name__))
    ]


def _collect_words() -> dict[int, str]:
    """Return what Lark says with a code, as the local Lark knows it."""
    modules = (lark_emulator.codes, lark_emulator.codes_im, lark_emulator.codes_office)
    words: dict[int, str] = {}
    for code in (value for module in modules for value in vars(module).values()):
        if isinstance(code, lark_emulator.codes.Code):
            words.setdefault(code.number, code.msg)
    return words


def _make_rows(language: Language, codes: list[int]) -> list[tuple[str, str, str, str]]:
    words, rows = _collect_words(), []
    counted = enumerate(sorted(codes))

    def alike(numbered: tuple[int, int]) -> tuple[int, Code, str]:
        place, code = numbered
        return code - place, TABLE[code], _meaning(language, code)

    for _, group in groupby(counted, key=alike):
        members = [code for _, code in group]
        if len(members) >= _MANY:
            shown = [(f"{members[0]} – {members[-1]}", members[0], "")]
        else:
            shown = [(str(code), code, words.get(code, "")) for code in members]
        rows += [
            (
                f'<span id="{code}">{label}</span>',
                said,
                _meaning(language, code),
                _step(language, TABLE[code]),
            )
            for label, code, said in shown
        ]
    return rows


def _meaning(language: Language, code: int) -> str:
    if code in CAUSES:
        return str(getattr(CAUSES[code], language.code))
    texts, _ = KINDS[TABLE[code].kind]
    return texts[language.code]


def _step(language: Language, code: Code) -> str:
    return CHINESE[code.step] if language.code == "zh" else code.step
