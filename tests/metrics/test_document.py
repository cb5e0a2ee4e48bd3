"""The pages about monitoring list every metric with its labels, every alert, and none that is gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from lark_provider.support import measured, meters

ROOT = Path(__file__).parents[2]
PAGES = [
    (ROOT / "docs" / language / "how-to" / "monitoring.md").read_text("utf-8") for language in ("en", "zh")
]
BOTH = pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
KINDS = {meters.Counter: "counter", meters.Gauge: "gauge", meters.Histogram: "histogram"}


@BOTH
def test_the_page_lists_every_metric_as_it_is(page: str) -> None:
    rows = re.findall(r"^\| `(lark_\w+)` \| (\w+) \| ([^|]*) \| [^|]+ \|$", page, re.MULTILINE)
    documented = [(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows]
    wanted = [(metric.name, KINDS[type(metric)], metric.labels) for metric in measured.ALL]
    assert sorted(documented) == sorted(wanted)


@BOTH
def test_the_page_says_what_each_alert_means_and_what_to_do(page: str) -> None:
    rows = re.findall(r"^\| `(Lark\w+)` \| (\w+) \| [^|]{4,} \| [^|]{4,} \|$", page, re.MULTILINE)
    assert sorted(rows) == sorted((rule["alert"], rule["labels"]["severity"]) for rule in ALERTS)


@BOTH
def test_the_values_of_labels_that_the_code_has_are_in_the_page(page: str) -> None:
    for metric in measured.ALL:
        if isinstance(metric, meters.Counter):
            [row] = re.findall(rf"^\| `{metric.name}` .*$", page, re.MULTILINE)
            for values in metric.values:
                assert all(f"`{value}`" in row for value in values), (metric.name, values)


def test_rules_and_dashboard_name_no_metric_and_no_label_that_is_not_there() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "lark.json").read_text())
    expressions = [rule["expr"] for rule in ALERTS]
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    by_name = {metric.name: metric for metric in measured.ALL}
    used = set()
    for expression in expressions:
        for name, selector in re.findall(r"\b(lark_\w+)\b(?:\{([^}]*)\})?", expression):
            base = name if name in by_name else re.sub(r"_(bucket|sum|count)$", "", name)
            assert base in by_name, f"{name} in {expression}"
            used.add(base)
            labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", selector))
            assert labels <= {*by_name[base].labels}, f"{selector} in {expression}"
    assert used == by_name.keys()
