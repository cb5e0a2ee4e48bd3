"""What an import costs, counted in modules."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

import lark_provider
from lark_provider import errors


def list_loaded(code: str) -> set[str]:
    """Return the modules that code loads, beyond those of a bare interpreter that has imported json."""
    before = "import sys, json; before = set(sys.modules)"
    after = "print(json.dumps([*set(sys.modules) - before]))"
    script = "\n".join([before, textwrap.dedent(code), after])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_root_loads_only_itself() -> None:
    exports = {"lark_provider.support", "lark_provider.support.exports"}
    assert list_loaded("import lark_provider") <= {"__future__", "lark_provider", *exports}


def test_the_client_works_where_airflow_and_the_sdk_cannot_be_imported() -> None:
    code = """
        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {"airflow", "lark_oapi", "pika", "sqlalchemy", "httptools"}:
                    raise ImportError("blocked " + name)
        sys.meta_path.insert(0, Block())
        from lark_provider import LarkServiceClient
        LarkServiceClient("cli_1", "s")
    """
    assert "lark_provider.engine.transport" in list_loaded(code)


def test_a_blocking_client_sends_without_asyncio() -> None:
    code = """
        from lark_provider import LarkServiceClient
        from lark_provider.errors import LarkError
        try:
            LarkServiceClient("cli_1", "s", base_url="http://127.0.0.1:9", max_retries=0).bot.info()
        except LarkError:
            pass
    """
    modules = list_loaded(code)
    assert "httpx2" in modules
    assert not {"asyncio", "sqlalchemy", "pika", "lark_oapi"} & modules


@pytest.mark.parametrize(
    "module",
    [
        "operators.message",
        "operators.bitable",
        "operators.webhook",
        "transfers.sql_to_bitable",
        "transfers.bitable_to_sql",
        "transfers.bitable_to_file",
        "transfers.sql_to_sheet",
        "transfers.sheet_to_sql",
        "transfers.sql_to_message",
        "operators.file",
    ],
)
def test_an_operator_module_is_light_over_airflow(module: str) -> None:
    modules = list_loaded(f"import airflow.sdk; before = set(sys.modules)\nimport lark_provider.{module}")
    heavy = {
        "airflow.providers.common.sql",
        "lark_provider.client",
        "lark_provider.engine",
        "lark_provider.storage",
        "lark_emulator",
        "lark_oapi",
        "pika",
        "orjson",
    }
    assert not heavy & modules
    ours = {name for name in modules if name.startswith("lark_provider")}
    # More than hooks need are `protocol.arguments`, by which constructors check what they are passed, and
    # `support.text`, by which those tell whether a text is Unicode.
    assert len(ours) <= (
        19 if module.startswith("operators") else 27
    )  # hooks and the few modules of ours that they stand on; none is heavy


def test_metrics_and_traces_load_nothing_until_they_are_started() -> None:
    code = """
        import lark_provider.metrics
        import lark_provider.callbacks.broker.depths
        import lark_provider.callbacks.broker.pump
        import lark_provider.callbacks.http.service
        import lark_provider.engine.observing
        import lark_provider.storage.engine
        from lark_provider import LarkServiceClient
        LarkServiceClient("cli_1", "s")
    """
    modules = list_loaded(code)
    assert "lark_provider.support.measured" in modules
    assert not {name for name in modules if name.split(".")[0] in {"prometheus_client", "opentelemetry"}}
    assert "http.server" not in modules


def test_every_public_name_is_there() -> None:
    for name in lark_provider.__all__:
        assert getattr(lark_provider, name) is not None
    assert set(errors.__all__) < set(lark_provider.__all__)
    assert set(lark_provider.__all__) <= set(dir(lark_provider))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lark_provider.nothing  # noqa: B018 - the look-up is the test
