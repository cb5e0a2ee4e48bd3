"""Metrics, as they are declared."""

from __future__ import annotations

from lark_provider.support import measured
from lark_provider.support.meters import Counter
from website.layout import Language
from website.reference import writing
from website.reference.chinese_words import METRICS
from website.reference.translation import Translation

_TEXTS = {
    "en": (
        "Metrics",
        "What the services and `lark_provider.metrics` export for Prometheus, and what reaches Airflow's own statistics. "
        "Every label is bounded. How to scrape them, and the alerts: [monitoring](../how-to/monitoring.md).",
        ("Metric", "Kind", "Labels", "Meaning"),
        "Values of labels",
        "Labels whose values are few, so that a counter is there before the first event:",
        ("Metric", "Values"),
    ),
    "zh": (
        "指标",
        "各服务与 `lark_provider.metrics` 导出给 Prometheus 的指标，也会进入 Airflow 自己的统计。所有标签的取值都有上限。"
        "如何抓取、有哪些告警，见[监控](../how-to/monitoring.md)。",
        ("指标", "类型", "标签", "含义"),
        "标签的取值",
        "取值不多的标签；计数器在第一次事件之前就已存在：",
        ("指标", "取值"),
    ),
}


def make_page(language: Language) -> str:
    """Return the page of metrics.

    Raises:
        SiteError: A metric has no Chinese, or Chinese is there for a metric that is not.
    """
    words = Translation("website/reference/chinese_words.py", METRICS)
    end = "。" if language.code == "zh" else "."
    rows = [
        (
            f"`{metric.name}`",
            type(metric).__name__.lower(),
            ", ".join(f"`{label}`" for label in metric.labels),
            words.say(language, metric.help) + end,
        )
        for metric in measured.ALL
    ]
    words.check()
    title, intro, heads, values_title, values_intro, value_heads = _TEXTS[language.code]
    return writing.join_parts(
        f"# {title}",
        intro,
        writing.table(heads, rows),
        f"## {values_title}",
        values_intro,
        writing.table(
            value_heads,
            [
                (
                    f"`{counter.name}`",
                    ", ".join(dict.fromkeys(f"`{'`, `'.join(value)}`" for value in counter.values)),
                )
                for counter in measured.ALL
                if isinstance(counter, Counter) and counter.values
            ],
        ),
    )
