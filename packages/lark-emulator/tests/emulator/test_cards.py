"""Cards that are taken and refused, by the schema and by the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator.im import card_bounds, card_schema
from tests.emulator.conftest import Api
from tests.emulator.live_cards import (
    ACCEPTED,
    HR,
    MARKDOWN_TABLE,
    REFUSED,
    REFUSED_BY_LOOKUP,
    SEND,
    TABLE,
    buttons,
    card,
    form,
    make_columns,
    markdown,
    old,
    panel,
    plain,
)
from tests.emulator.test_messages import GROUP, send
from tests.emulator.test_uploads import file, image, png

if TYPE_CHECKING:
    from lark_emulator import Emulator

OPTIONS = {**TABLE, "columns": [{"name": "a", "data_type": "options"}]}
DEFAULT_RULES = ["schema", "properties", "tags", "nesting", "container_table", "multi_select", "lock"]


@pytest.fixture(autouse=True)
def _no_limits(lark: Emulator) -> None:
    lark.settings(rate_limits=False)


def sub_code(answer: Any) -> int:
    """Return 0 or what stands behind `ErrCode` of a refused card."""
    if answer["code"] == 0:
        return 0
    assert (answer["code"], answer["http"]) == (230099, 400), answer
    head, _, rest = str(answer["msg"]).partition("ErrCode: ")
    assert head == "Failed to create card content, ext="
    assert rest.endswith("; ")
    return int(rest.partition(";")[0])


@pytest.mark.parametrize(("content", "code", "text"), REFUSED + REFUSED_BY_LOOKUP)
def test_a_card_that_lark_refused(api: Api, content: Any, code: int, text: str) -> None:
    answer = send(api, "interactive", content)
    assert sub_code(answer) == code
    assert text in answer["msg"]


@pytest.mark.parametrize("content", ACCEPTED)
def test_a_card_that_lark_took(api: Api, content: Any) -> None:
    assert send(api, "interactive", content)["code"] == 0


def test_the_text_of_a_refusal(api: Api) -> None:
    unknown = send(api, "interactive", card(HR, make_columns({**HR, "colour": "red"})))
    assert unknown["msg"] == (
        "Failed to create card content, ext=ErrCode: 200621; "
        "ErrMsg: parse card json err, please check whether the card json is correct; "
        "ErrorValue: unknown property, property: colour, path: ROOT -> body -> elements -> "
        "[1](tag: column_set) -> columns -> [0](tag: column) -> elements -> [0](tag: hr); "
    )
    dropped = send(api, "interactive", card({"tag": "note"}))
    assert dropped["msg"] == (
        "Failed to create card content, ext=ErrCode: 200861; ErrPath: ROOT -> body -> elements -> "
        "[0](tag: note); ErrMsg: cards of schema V2 no longer support this capability; "
        "ErrorValue: unsupported tag note; "
    )


def nest(levels: int) -> Any:
    inner: Any = HR
    for _ in range(levels):
        inner = panel(inner)
    return inner


@pytest.mark.parametrize(
    ("rule", "content", "code"),
    [
        ("schema", {"schema": "3.0"}, 200621),
        ("properties", card({**HR, "newer": 1}), 200621),
        ("properties", card(i18n_header={}), 200621),
        ("tags", card({"tag": "newer"}), 200621),
        ("nesting", card(nest(6)), 11310),
        ("container_table", card({"tag": "interactive_container", "elements": [TABLE]}), 200621),
        ("multi_select", card({"tag": "multi_select_static"}), 200621),
        ("multi_select", card({"tag": "select_img", "multi_select": True}), 11310),
        ("body", {"schema": "2.0"}, 200610),
        ("values", card({"tag": "button", "type": "huge"}), 200621),
        ("text_tags", card({"tag": "button", "text": {"tag": "lark_md", "content": "a"}}), 200621),
        ("form_names", card(form({"tag": "input"}, SEND)), 200530),
        ("submit_behaviors", card(form({**SEND, "behaviors": []})), 300123),
        ("fences", card(markdown("```\n" + MARKDOWN_TABLE * 6 + "```")), 11310),
        ("required", card({"tag": "img", "img_key": ""}), 200621),
        ("required", card({"tag": "button", "text": plain(), "confirm": {"title": plain()}}), 200621),
        ("required", card({"tag": "interactive_container", "elements": []}), 200621),
        ("lengths", card({"tag": "button", "text": plain("x" * 101)}), 11310),
        ("lengths", card({"tag": "checker", "button_area": {"buttons": buttons(4)}}), 11310),
        ("ranges", card({**TABLE, "page_size": 11}), 200621),
        ("ranges", card({"tag": "input", "max_length": 0}), 200621),
        ("places", old({"tag": "button", "text": plain()}), 11310),
        ("places", old(form({"tag": "div", "text": plain()}, {**SEND, "action_type": "form_submit"})), 11310),
        ("places", old(make_columns({"tag": "overflow", "options": []})), 11310),
    ],
)
def test_what_is_not_confirmed_can_be_switched(
    api: Api, lark: Emulator, rule: str, content: Any, code: int
) -> None:
    """Each outcome that is contested, both ways."""
    assert sub_code(send(api, "interactive", content)) == (code if rule in DEFAULT_RULES else 0)
    lark.settings(card_rules=[rule])
    assert sub_code(send(api, "interactive", content)) == code
    lark.settings(card_rules=[])
    assert sub_code(send(api, "interactive", content)) == 0


def test_the_number_of_tables_and_the_card_entities_are_settings(api: Api, lark: Emulator) -> None:
    lark.settings(max_card_tables=6, card_entities=["1"])
    assert sub_code(send(api, "interactive", card(*[TABLE] * 6))) == 0
    assert sub_code(send(api, "interactive", card(*[TABLE] * 7))) == 11310
    entity = {"type": "card", "data": {"card_id": "1"}}
    assert sub_code(send(api, "interactive", entity)) == 0
    again = send(api, "interactive", entity)
    assert sub_code(again) == 200780
    assert "ErrMsg: card binding biz count over limit; " in again["msg"]


def test_templates_that_were_not_shared_with_the_app(api: Api, lark: Emulator) -> None:
    lark.settings(card_templates=["AAq", "AAr"], hidden_card_templates=["AAr"])
    sent = [{"type": "template", "data": {"template_id": name}} for name in ("AAq", "AAr")]
    assert [sub_code(send(api, "interactive", content)) for content in sent] == [0, 200381]


def test_an_unknown_rule_is_refused(lark: Emulator) -> None:
    with pytest.raises(ValueError, match="card_rules"):
        lark.settings(card_rules=["no_such_rule"])


@pytest.mark.parametrize(
    "content",
    [
        card(nest(5)),
        card({"tag": "div", "text": {"content": "a"}}),
        card({"tag": "button", "text": None, "margin": None}),
        card({"tag": "column_set", "columns": []}),
        card(form({"tag": "multi_select_static", "name": "m"}, SEND)),
        card(markdown("`<at id=ou_nobody></at> ![a](b)`\n~~~\n<at id=ou_nobody></at>\n~~~")),
        card({"tag": "div", "text": plain("<at id=ou_nobody></at>")}),
        card({"tag": "person", "user_id": "on_emulator_alice"}),
        card(markdown("a | b\n---\nno table\n" * 9)),
        old({"tag": "div", "extra": {"tag": "button", "text": plain()}, "text": "a"}),
        old({**HR, "element_id": "not checked"}),
        old({**TABLE, "rows": [{"a": "1"}]}),
        old({**HR, "name": "a", "img_key": "img_none"}, {**HR, "name": "a"}),
        card({**OPTIONS, "rows": [{"a": [{"text": "x", "color": "red"}]}]}),
        card({**OPTIONS, "rows": [{"a": [{"text": "x", "color": "rgba(1,2,3,1)"}]}]}),
        old({**OPTIONS, "rows": [{"a": [{"text": "x", "color": "#067062"}]}]}),
    ],
)
def test_more_cards_that_pass(api: Api, content: Any) -> None:
    assert sub_code(send(api, "interactive", content)) == 0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (card({"tag": "column", "elements": []}), 200621),
        (card({"tag": "column_set", "columns": [HR]}), 200621),
        (card({"content": "a"}), 200621),
        (card({"tag": "column_set", "columns": {}}), 200621),
        (card("hr"), 200621),
        (card({"tag": "input", "name": 5}), 200621),
        (card({**TABLE, "page_size": True}), 200621),
        (card({"tag": "chart", "chart_spec": "a"}), 200550),
        (card({**TABLE, "rows": "a"}), 200914),
        (card({**TABLE, "rows": {}}), 200914),
        (card({**OPTIONS, "rows": [{"a": [{"text": "x", "color": "#067062"}]}]}), 10002),
        (old({**TABLE, "rows": [{"a": 1}]}), 200914),
        (old({**TABLE, "rows": [{"b": "1"}]}), 200915),
        (old({"tag": "chart", "chart_spec": {"axes": None}}), 200550),
        (old({"tag": "audio"}), 11310),
        (old({"tag": "action", "actions": [{"tag": "note"}, {"tag": "nope"}]}), 11310),
        ({"i18n_elements": {"zh_cn": [{"tag": "nope"}]}}, 11310),
        ({"elements": {}}, 200621),
        (old({"tag": "input", "name": "a"}, {"tag": "input", "name": "a"}), 11310),
    ],
)
def test_more_cards_that_do_not(api: Api, content: Any, code: int) -> None:
    assert sub_code(send(api, "interactive", content)) == code


def test_pictures_and_sounds_belong_to_the_app(api: Api, lark: Emulator) -> None:
    lark.add_app("cli_two", "s")
    members = f"/im/v1/chats/{GROUP}/members"
    api.data("POST", members, {"id_list": ["cli_two"]}, member_id_type="app_id")
    other = Api(lark, "cli_two", "s")
    picture = image(api, png())["data"]["image_key"]
    sound = file(api, b"x", "opus", "a.opus")["data"]["file_key"]
    shown = card({"tag": "img", "img_key": picture, "alt": plain()}, markdown(f"![a]({picture})"))
    audio = {"tag": "audio", "file_key": sound, "audio_id": "1"}
    played = card(audio, config={"enable_forward": False})
    assert [sub_code(send(api, "interactive", content)) for content in (shown, played)] == [0, 0]
    assert [sub_code(send(other, "interactive", content)) for content in (shown, played)] == [200570, 300240]
    other.http.close()
    twice = card(audio, audio, config={"enable_forward": False})
    assert sub_code(send(api, "interactive", twice)) == 300230


def test_the_card_of_a_custom_bot(lark: Emulator) -> None:
    url = lark.add_webhook()
    refused = httpx.post(url, json={"msg_type": "interactive", "card": card({"tag": "note"})})
    assert refused.status_code == 200
    answer = refused.json()
    assert answer["code"] == 11246
    assert answer["msg"].startswith(
        "ErrCode: 200861; ErrPath: ROOT -> body -> elements -> [0](tag: note); ErrMsg"
    )
    for who in ("alice", "ou_emulator0001_alice", "all"):
        body = {"msg_type": "interactive", "card": card(markdown(f"<at id={who}></at>"))}
        assert httpx.post(url, json=body).json()["code"] == 0


def test_no_rule_refuses_what_the_pages_allow(api: Api, lark: Emulator) -> None:
    lark.settings(card_rules=["required", "lengths", "ranges", "places"])
    texts = {"title": plain(), "text": plain()}
    for content in (
        card(header={"title": plain(), "text_tag_list": [{"tag": "text_tag", "text": plain()}]}),
        card({"tag": "button", "text": plain("x" * 100), "confirm": texts}),
        card({"tag": "markdown", "i18n_content": {"en_us": "a"}}),
        card({**TABLE, "page_size": 10}, form({"tag": "input", "name": "a", "max_length": 1000}, SEND)),
        old({"tag": "action", "actions": buttons(2)}, make_columns(HR, {"tag": "button", "text": plain()})),
        old({"tag": "div", "text": plain(), "extra": {"tag": "button", "text": plain()}}),
    ):
        assert sub_code(send(api, "interactive", content)) == 0, content


def test_bounds_are_those_of_properties_that_exist() -> None:
    kinds = {**card_schema.OBJECTS, **card_schema.TAGS}
    named = [(kind, name) for kind, names in card_bounds.REQUIRED.items() for name in names]
    named += [*card_bounds.MAX_LENGTHS, *card_bounds.RANGES, *card_bounds.MAX_COUNTS]
    assert [pair for pair in named if pair[1] not in kinds[pair[0]]] == []
    for container, tags in card_bounds.PLACES_1.items():
        assert container in card_schema.TAGS_1
        assert tags <= card_schema.TAGS_1.keys()


def test_every_kind_and_slot_that_the_schema_names_is_there() -> None:
    for objects, tags, slots in (
        (card_schema.OBJECTS, card_schema.TAGS, card_schema.SLOTS),
        (card_schema.OBJECTS_1, card_schema.TAGS_1, card_schema.SLOTS_1),
    ):
        for shape in (*objects.values(), *tags.values()):
            for kind in shape.values():
                assert kind.form != "object" or kind.name in objects or kind.name == "locales"
                assert kind.form != "slot" or slots[kind.name] <= tags.keys()
