"""What Airflow users import: operators, transfers, sensors, notifiers, triggers, hooks, assets."""

from __future__ import annotations

import griffe

from website.layout import Language
from website.reference import code, writing
from website.reference.chinese_summaries import AIRFLOW
from website.reference.translation import Translation

_PACKAGES = {
    "operators": ("Operators", "Operator"),
    "transfers": ("Transfers", "Transfer operator"),
    "sensors": ("Sensors", "Sensor"),
    "notifications": ("Notifiers", "通知器"),
    "triggers": ("Triggers", "Trigger"),
    "hooks": ("Hooks", "Hook"),
    "assets.lark": ("Assets", "Asset"),
}
_TEXTS = {
    "en": (
        "Operators, sensors, notifiers, hooks",
        "Everything that a DAG imports from this package, with all parameters. Each class takes Airflow's own "
        "arguments, such as `task_id` and `retries`, too.",
        "Rendered as templates",
    ),
    "zh": (
        "operator、sensor、通知器与 hook",
        "DAG 从本包导入的全部类，以及所有参数。每个类同样接受 Airflow 自己的参数，如 `task_id`、`retries`。签名与参数说明取自源码，为英文。",
        "支持模板的字段",
    ),
}


def make_page(language: Language) -> str:
    """Return the page of what DAGs import."""
    title, intro, _ = _TEXTS[language.code]
    parts = [f"# {title}", intro]
    summaries = Translation("website/reference/chinese_summaries.py", AIRFLOW)
    for package, titles in _PACKAGES.items():
        parts.append(f"## {titles[language.code == 'zh']}")
        parts += [_describe(language, package, name, summaries) for name in _list_names(package)]
    summaries.check()
    return writing.join_parts(*parts)


def _list_names(package: str) -> list[str]:
    module = code.thing(package)
    exported = module.exports if isinstance(module, griffe.Module) else None
    return sorted(str(name) for name in exported or ["bitable_asset"])


def _describe(language: Language, package: str, name: str, summaries: Translation) -> str:
    symbol = code.thing(f"{package}.{name}")
    names = code.list_documented(symbol) if isinstance(symbol, griffe.Class) else None
    templates = _templates(symbol)
    return writing.join_parts(
        f"### `{name}`",
        f"```python\nfrom lark_provider.{package} import {name}\n```",
        code.signature(name, code.parameters(symbol, names)),
        code.render_body(symbol, language, summaries),
        f"**{_TEXTS[language.code][2]}** {templates}" if templates else "",
    )


def _templates(symbol: griffe.Object) -> str:
    if not isinstance(symbol, griffe.Class):
        return ""
    for base in (symbol, *symbol.mro()):
        fields = base.members.get("template_fields")
        if isinstance(fields, griffe.Attribute) and isinstance(
            fields.value, griffe.ExprTuple | griffe.ExprList
        ):
            names = [str(item).strip("'\"") for item in fields.value.elements]
            return ", ".join(f"`{name}`" for name in names)
    return ""
