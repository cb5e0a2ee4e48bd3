"""What the `ErrCode` in a refusal of a card means: 230099 of messages and 11246 of custom bots carry it in their text."""

from __future__ import annotations

from typing import NamedTuple

from website.reference.code_causes import Cause


class Refused(NamedTuple):
    """Why Lark refuses a card, and what to do about it."""

    number: int
    says: str
    cause: Cause
    cure: Cause


CARDS = (
    Refused(
        11310,
        "element exceeds the limit; card table number over limit; name(…) duplicate; unsupported type of block; card action is lock",
        Cause("too many elements or tables, a `name` twice, or an element that cards 1.0 do not know; `lock`: a click on the card is being answered", "组件或表格过多、`name` 重复，或 1.0 卡片不认识的组件；`lock`：卡片上的点击正在等待响应"),
        Cause("split the card, or give each field of a form a name of its own; `lock`: nothing, the update is repeated", "拆分卡片，或给表单的每个控件不同的 name；`lock`：无需处理，更新会自动重试"),
    ),
    Refused(
        100290,
        "There is an invalid user resource (at/person) in your card",
        Cause("someone who is mentioned does not exist for this app", "被 @ 的人对本应用不存在"),
        Cause("mention people by an open_id of this app", "用本应用的 open_id 来 @ 人"),
    ),
    Refused(
        200380,
        "template does not exist, please confirm whether this template has been released",
        Cause("the template's id is wrong, or no version of it was published", "模板 id 错误，或模板没有发布版本"),
        Cause("check the id, and publish the template in the card builder", "核对 id，并在卡片搭建工具里发布模板"),
    ),
    Refused(
        200381,
        "template is not visible to app",
        Cause("the template was not shared with the app", "模板没有授权给该应用"),
        Cause("add the app to the template in the card builder", "在卡片搭建工具里把应用添加到模板"),
    ),
    Refused(
        200410,
        "action components are not allowed in the column",
        Cause("a column of a card 1.0 holds `action`", "1.0 卡片的分栏里放了 `action`"),
        Cause("put the buttons below the columns, or send a card 2.0", "把按钮放到分栏之外，或发送 2.0 卡片"),
    ),
    Refused(
        200550,
        "chart spec is invalid",
        Cause("the description of a chart is invalid; `ErrorValue` names its place", "图表的定义不合法；`ErrorValue` 写明位置"),
        Cause("correct it there", "修正该处"),
    ),
    Refused(
        200570,
        "card contains invalid image keys",
        Cause("an image was uploaded by another app, or is a web address", "图片由别的应用上传，或写成了网址"),
        Cause("upload the image with this app, and use the `img_…` that this returns", "用本应用上传图片，使用返回的 `img_…`"),
    ),
    Refused(
        200621,
        "parse card json err, please check whether the card json is correct",
        Cause("no JSON, or a property or element that cards do not have at this place; the message names it", "不是 JSON，或该位置不允许的属性或组件；报错文本里写明"),
        Cause("remove the property named; cards 2.0 have their elements in `body`", "去掉报错中的属性；2.0 卡片的组件放在 `body` 里"),
    ),
    Refused(
        200732,
        "the actual type of the variable is inconsistent with the specified type in the template",
        Cause("a variable has another type than the template says", "变量的类型与模板不一致"),
        Cause("give the variable the type that the template names", "按模板给变量赋值"),
    ),
    Refused(
        200737,
        "the format of the variable is incorrect",
        Cause("a variable does not have the form that the template asks for", "变量的格式与模板不一致"),
        Cause("give the variable the form that the template names", "按模板的格式给变量赋值"),
    ),
    Refused(
        200780,
        "card binding biz count over limit",
        Cause("a card entity was sent a second time", "卡片实体被第二次发送"),
        Cause("create an entity for each message", "为每条消息创建一个卡片实体"),
    ),
    Refused(
        200830,
        "schemaV2 card can not change schemaV1",
        Cause("a card 2.0 was to become a card 1.0", "2.0 卡片不能更新成 1.0"),
        Cause("update it with a card 2.0", "用 2.0 卡片更新"),
    ),
    Refused(
        200861,
        "cards of schema V2 no longer support this capability",
        Cause("a card 2.0 holds an element of 1.0 such as `action` or `note`", "2.0 卡片里有 1.0 的组件，如 `action`、`note`"),
        Cause("put buttons into the body directly, and small text into `markdown` with a small size", "按钮直接放进 body；小字改用小号 `markdown`"),
    ),
    Refused(
        200914,
        "table rows is invalid",
        Cause("a value of a table's rows has another type than its column", "表格行里的值与列类型不符"),
        Cause("write each value as its column's type asks", "按列的类型写值"),
    ),
    Refused(
        200915,
        "table rows name is invalid",
        Cause("a table's rows have a key that is no column", "表格行里有不属于任何列的键"),
        Cause("name the keys as the columns", "键名与列名保持一致"),
    ),
    Refused(
        300123,
        "there is no submit button in the form container, at least one",
        Cause("a form has no button that submits it", "表单容器里没有提交按钮"),
        Cause('add a button with `"form_action_type": "submit"`', '加一个带 `"form_action_type": "submit"` 的按钮'),
    ),
    Refused(
        300301,
        "Duplicate ID; elementID format error",
        Cause("an `element_id` stands twice, or is not 1 to 20 letters, digits and underscores after a letter", "`element_id` 重复，或不是以字母开头、由字母数字下划线组成的 1 到 20 个字符"),
        Cause("give each element an id of its own", "给每个组件不同的 id"),
    ),
)  # fmt: skip
