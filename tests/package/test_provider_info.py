from __future__ import annotations

import ast
import inspect
import json
import tomllib
from importlib import import_module
from pathlib import Path

import airflow
import jsonschema
import pytest

from lark_provider import get_provider_info as module
from lark_provider.get_provider_info import get_provider_info

SCHEMAS = Path(airflow.__file__).parent


def test_it_is_a_literal() -> None:
    (function,) = [
        node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.FunctionDef)
    ]
    returned = function.body[-1]
    assert isinstance(returned, ast.Return)
    assert returned.value is not None
    assert ast.literal_eval(returned.value) == get_provider_info()


def test_airflows_own_schemas_accept_it() -> None:
    info = get_provider_info()
    jsonschema.validate(info, json.loads((SCHEMAS / "provider_info.schema.json").read_text()))
    strict = json.loads((SCHEMAS / "provider.yaml.schema.json").read_text())["properties"]
    assert set(info) <= set(strict)
    for part in ("connection-types", "hooks", "operators", "integrations", "notifications"):
        jsonschema.validate(info[part], strict[part])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{"connection-type": "lark"}], strict["connection-types"])


def test_everything_it_names_exists() -> None:
    info = get_provider_info()
    root = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert info["package-name"] == root["project"]["name"]
    for part in ("hooks", "operators"):
        entries = info[part]
        assert isinstance(entries, list)
        for entry in entries:
            for name in entry["python-modules"]:
                import_module(name)
    notifiers = info["notifications"]
    assert isinstance(notifiers, list)
    for notifier in notifiers:
        home, _, name = notifier.rpartition(".")
        assert isinstance(getattr(import_module(home), name), type)
    types = info["connection-types"]
    assert isinstance(types, list)
    for entry in types:
        home, _, name = entry["hook-class-name"].rpartition(".")
        hook = getattr(import_module(home), name)
        assert (hook.conn_type, hook.hook_name) == (entry["connection-type"], entry["hook-name"])
