from __future__ import annotations

import ast
import inspect
import json
import re
import tomllib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow
import jsonschema
import pytest

from lark_provider import get_provider_info as module
from lark_provider import notifications, operators, sensors, transfers
from lark_provider.get_provider_info import get_provider_info
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.webhook import LarkWebhookHook

SCHEMAS = Path(airflow.__file__).parent
ROOT = Path(__file__).parents[2]


class Literals(ast.NodeTransformer):
    """Replaces the names of constants by their values."""

    def __init__(self, constants: dict[str, ast.expr]) -> None:
        self.constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.constants[node.id]


def test_it_is_a_literal() -> None:
    body = ast.parse(inspect.getsource(module)).body
    constants = {ast.unparse(node.targets[0]): node.value for node in body if isinstance(node, ast.Assign)}
    (function,) = [node for node in body if isinstance(node, ast.FunctionDef)]
    returned = function.body[-1]
    assert isinstance(returned, ast.Return)
    assert returned.value is not None
    assert ast.literal_eval(Literals(constants).visit(returned.value)) == get_provider_info()
    assert [type(node) for node in body[2:]] == [ast.Assign] * len(constants) + [ast.FunctionDef]


def test_airflows_own_schemas_accept_it() -> None:
    info = get_provider_info()
    jsonschema.validate(info, json.loads((SCHEMAS / "provider_info.schema.json").read_text()))
    strict = json.loads((SCHEMAS / "provider.yaml.schema.json").read_text())["properties"]
    assert set(info) <= set(strict)
    for part in (
        "connection-types",
        "hooks",
        "operators",
        "integrations",
        "notifications",
        "transfers",
        "sensors",
        "triggers",
    ):
        jsonschema.validate(info[part], strict[part])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{"connection-type": "lark"}], strict["connection-types"])


def test_everything_it_names_exists() -> None:
    info = get_provider_info()
    root = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert info["package-name"] == root["project"]["name"]
    for part in ("hooks", "operators", "sensors", "triggers"):
        entries = info[part]
        assert isinstance(entries, list)
        for entry in entries:
            for name in entry["python-modules"]:
                import_module(name)
    transfers = info["transfers"]
    assert isinstance(transfers, list)
    for entry in transfers:
        import_module(entry["python-module"])
    notifiers = info["notifications"]
    assert isinstance(notifiers, list)
    for notifier in notifiers:
        home, _, name = notifier.rpartition(".")
        assert isinstance(getattr(import_module(home), name), type)
    queues = info["queues"]
    assert isinstance(queues, list)
    for queue in queues:
        home, _, name = queue.rpartition(".")
        assert getattr(import_module(home), name)().scheme_matches("lark")
    types = info["connection-types"]
    assert isinstance(types, list)
    for entry in types:
        home, _, name = entry["hook-class-name"].rpartition(".")
        hook = getattr(import_module(home), name)
        assert (hook.conn_type, hook.hook_name) == (entry["connection-type"], entry["hook-name"])


def test_each_integration_has_a_logo_and_guides_that_are_there() -> None:
    info: Any = get_provider_info()
    names = {integration["integration-name"] for integration in info["integrations"]}
    guides = [guide for integration in info["integrations"] for guide in integration["how-to-guide"]]
    guides += [entry["how-to-guide"] for entry in info["transfers"]]
    assert [guide for guide in guides if not (ROOT / guide.removeprefix("/")).is_file()] == []
    assert {
        (ROOT / "docs" / integration["logo"].removeprefix("/")).is_file()
        for integration in info["integrations"]
    } == {True}
    for part in ("hooks", "operators", "sensors", "triggers"):
        assert {entry["integration-name"] for entry in info[part]} <= names, part
    for transfer in info["transfers"]:
        sides = {transfer["source-integration-name"], transfer["target-integration-name"]}
        assert len(sides & names) == len(sides - names) == 1
        assert sides - names <= {"Common SQL", "Common IO"}  # integrations of Airflow's own providers


def test_every_class_is_in_a_module_that_it_names() -> None:
    info: Any = get_provider_info()
    listed = {
        name for part in ("operators", "sensors") for entry in info[part] for name in entry["python-modules"]
    }
    listed |= {transfer["python-module"] for transfer in info["transfers"]}
    for package in (operators, sensors, transfers):
        for name in package.__all__:
            assert getattr(package, name).__module__ in listed, name
    assert {name.rpartition(".")[2] for name in info["notifications"]} == set(notifications.__all__)


class Read(dict[str, Any]):
    """Extras that note which of them are read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


@pytest.mark.parametrize("hook", [LarkHook, LarkWebhookHook])
def test_the_form_has_exactly_the_fields_that_are_read(hook: Any) -> None:
    extra, instance = Read(), hook()
    instance.connection = SimpleNamespace(
        login="cli_1",
        password="s",
        host="feishu",
        port=None,
        conn_type=hook.conn_type,
        extra=None,
        extra_dejson=extra,
    )
    instance.client  # noqa: B018 - making it reads the connection
    instance.owners  # noqa: B018 - same reason as the line before
    if hook is LarkHook:
        instance.receiver("oc_1")
        instance.web_domain  # noqa: B018 - same reason as the line before
    types: Any = get_provider_info()["connection-types"]
    [form] = [candidate for candidate in types if candidate["connection-type"] == hook.conn_type]
    assert set(form["conn-fields"]) == extra.names


def test_the_form_offers_no_null_and_explains_what_it_asks_for() -> None:
    types: Any = get_provider_info()["connection-types"]
    for field in (field for form in types for field in form["conn-fields"].values()):
        schema = field["schema"]
        assert None not in schema.get("enum", ())
        assert "null" in schema["type"]  # else the form demands it
        if "object" in schema["type"]:
            assert json.loads(re.findall(r"\{.*\}", field["description"])[0])  # an example that is JSON
