"""Which values are template files, and what becomes of an XCom that is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider.notifications import LarkNotifier, LarkWebhookNotifier
from lark_provider.operators import (
    LarkApprovalOperator,
    LarkBitableBulkInsertOperator,
    LarkBitableSearchOperator,
    LarkSendMessageOperator,
    LarkUpdateMessageOperator,
    LarkWebhookOperator,
)
from lark_provider.sensors import LarkCardCallbackSensor
from tests.airflow.conftest import CHAT, AirflowHome, connection

CARD = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "{{ word }}"}]}}


class Xcoms:
    """As much of a task instance as templates use; XComs as Airflow returns them."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def xcom_pull(
        self, task_ids: str | list[str], *, map_indexes: int | None = -1, default: Any = None
    ) -> Any:
        """Pull XComs as Airflow 3.3.2 does: `default` applies only where `map_indexes` is passed."""
        if isinstance(task_ids, list):
            return [self.values.get(task_id) for task_id in task_ids]
        return self.values.get(task_ids, None if map_indexes == -1 else default)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "done.json").write_text(json.dumps(CARD))
    (tmp_path / "README.md").write_text("read {{ word }}")
    (tmp_path / "a b.md").write_text("never")
    (tmp_path / "ion@firma.md").write_text("never")
    (tmp_path / "title.json").write_text("never")
    return tmp_path


def read_xcom(value: Any) -> str:
    """Return `no` for a missing XCom, else `some`; the DAG has this as its own macro and filter."""
    return "no" if value is None else "some"


@pytest.fixture
def render(folder: Path) -> Callable[..., Any]:
    """Return a function that renders the fields of an operator or notifier as Airflow's task runner does."""

    def render(thing: Any, *, native: bool = False, **xcoms: Any) -> Any:
        dag = DAG(
            "d",
            schedule=None,
            template_searchpath=[str(folder)],
            render_template_as_native_obj=native,
            user_defined_macros={"told": read_xcom, "pulled": lambda ti: ti.xcom_pull(task_ids="gone")},
            user_defined_filters={"told": read_xcom},
        )
        if isinstance(thing, BaseOperator):
            thing.dag = dag
        env = dag.get_template_env(force_sandboxed=False)
        thing.resolve_template_files()  # as when the file is parsed
        thing.render_template_fields({"ti": Xcoms(**xcoms), "word": "it", "dag": dag}, env)
        return thing

    return render


def tell(**changes: Any) -> LarkSendMessageOperator:
    return LarkSendMessageOperator(**({"task_id": "t", "receiver_id": "oc_1", "content": "hi"} | changes))


def contents() -> list[Any]:
    return [
        lambda text: tell(content=text),
        lambda text: LarkUpdateMessageOperator(task_id="t", message_id="om_1", content=text),
        lambda text: LarkWebhookOperator(task_id="t", content=text),
        lambda text: LarkNotifier(receiver_id="oc_1", content=text),
        lambda text: LarkWebhookNotifier(content=text),
    ]


@pytest.mark.parametrize("make", contents())
@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("README.md", "read it"),
        ("cards/done.json", json.dumps(CARD).replace("{{ word }}", "it")),
        ("Wrote README.md", "Wrote README.md"),
        ("see\nREADME.md", "see\nREADME.md"),
        ("a b.md", "a b.md"),
        (" README.md", " README.md"),
        ("CHANGES.md", "CHANGES.md"),
        ("../README.md", "../README.md"),
        ("cards/{{ word }}.json", "cards/it.json"),
        ({"text": "README.md"}, {"text": "README.md"}),
    ],
)
def test_only_a_content_that_is_an_existing_path_is_a_file(
    render: Callable[..., Any], make: Callable[[Any], Any], text: Any, becomes: Any
) -> None:
    assert render(make(text)).content == becomes


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (lambda: tell(receiver_id="ion@firma.md"), "receiver_id", "ion@firma.md"),
        (lambda: tell(mentions=["ion@firma.md"]), "mentions", ["ion@firma.md"]),
        (lambda: tell(idempotency_key="README.md"), "idempotency_key", "README.md"),
        (lambda: LarkWebhookOperator(task_id="t", content="x", title="title.json"), "title", "title.json"),
        (lambda: LarkNotifier(receiver_id="ion@firma.md"), "receiver_id", "ion@firma.md"),
        (
            lambda: LarkApprovalOperator(task_id="t", receiver_id="ion@firma.md", title="title.json"),
            "title",
            "title.json",
        ),
        (
            lambda: LarkApprovalOperator(task_id="t", receiver_id="x", title="y", text="README.md"),
            "text",
            "README.md",
        ),
    ],
)
def test_no_other_field_names_a_file(
    render: Callable[..., Any], make: Callable[[], Any], field: str, value: Any
) -> None:
    assert getattr(render(make()), field) == value


MISSING = "{{ ti.xcom_pull(task_ids='gone') }}"


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: tell(content=MISSING),
        lambda: tell(content=f"Loaded {MISSING} rows"),
        lambda: tell(receiver_id=MISSING),
        lambda: tell(reply_to=MISSING),
        lambda: tell(receiver_id="{{ none }}"),
        lambda: tell(content={"elements": [{"content": f"**{MISSING}**"}]}, msg_type="interactive"),
        lambda: LarkUpdateMessageOperator(task_id="t", message_id=MISSING, content="x"),
        lambda: LarkWebhookOperator(task_id="t", content=f"{MISSING}!"),
        lambda: LarkBitableBulkInsertOperator(task_id="t", app_token=MISSING, records=[]),
        lambda: LarkNotifier(receiver_id="oc_1", content=MISSING),
        lambda: LarkCardCallbackSensor(task_id="t", message_id=MISSING),
        lambda: LarkCardCallbackSensor(task_id="t", correlation_id=MISSING),
        lambda: LarkCardCallbackSensor(task_id="t", message_id="om_1", app_id=MISSING),
        lambda: LarkCardCallbackSensor(task_id="t", message_id="om_1", operators=MISSING),
        lambda: LarkApprovalOperator(task_id="t", receiver_id=MISSING, title="?"),
        lambda: LarkApprovalOperator(task_id="t", receiver_id="oc_1", title="?", approvers=MISSING),
        lambda: LarkApprovalOperator(task_id="t", receiver_id="oc_1", title=f"Publish {MISSING}?"),
    ],
)
def test_a_missing_xcom_is_an_error(
    render: Callable[..., Any], make: Callable[[], Any], native: bool
) -> None:
    with pytest.raises(AirflowFailException, match=r"(must have a value|got None after).*Next: "):
        render(make(), native=native)


PULL = "ti.xcom_pull(task_ids='gone')"
WRITTEN = [
    f"{{{{ 'Rows: ' ~ {PULL} }}}}",
    f"{{{{ 'Rows: ' + {PULL} }}}}",
    f"{{{{ {PULL} | string }}}}",
    f"{{{{ {PULL} | upper }}}}",
    f"{{{{ {PULL} | tojson }}}}",
    f"{{{{ {{'rows': {PULL}}} | tojson }}}}",
    f"{{{{ 'Rows: %s' % {PULL} }}}}",
    f"{{{{ 'Rows: {{}}'.format({PULL}) }}}}",
    f"{{{{ 'Rows: %s' | format({PULL}) }}}}",
    "Rows: {{ ti.xcom_pull(task_ids=['gone', 'there']) }}",
    "{{ ti.xcom_pull(task_ids=['gone', 'there']) | join(', ') }}",
    f"Rows: {{{{ {{'rows': {PULL}}} }}}}",
    f"Rows: {{{{ [{PULL}] }}}}",
    f"{{% set rows = {PULL} %}}Rows: {{{{ rows }}}}",
    f"{{% macro say(rows) %}}Rows: {{{{ rows }}}}{{% endmacro %}}{{{{ say({PULL}) }}}}",
    "Rows: {{ pulled(ti) }}",
    "{% include 'part.md' %}",
]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("text", WRITTEN)
def test_a_missing_xcom_never_becomes_text(
    folder: Path, render: Callable[..., Any], text: str, native: bool
) -> None:
    (folder / "part.md").write_text(f"Rows: {MISSING}")
    with pytest.raises(
        AirflowFailException, match=r"must have a value, got None\. Next: .*xcom_pull\(…\) or"
    ):
        render(tell(content=text), native=native, there=842)


class NoValue:
    """An XComArg of a task that returned None."""

    def resolve(self, _context: Any) -> None:
        return None


VALUES: Any = [NoValue()]


@pytest.mark.parametrize(
    "make",
    [
        lambda: tell(content={"elements": [{"content": NoValue()}]}, msg_type="interactive"),
        lambda: LarkApprovalOperator(task_id="t", receiver_id="oc_1", title="?", approvers=VALUES),
    ],
)
def test_a_none_within_a_field_is_an_error(render: Callable[..., Any], make: Callable[[], Any]) -> None:
    with pytest.raises(AirflowFailException, match=r"must have a value, got None in it after rendering"):
        render(make())


def test_a_none_that_the_author_wrote_in_a_card_is_sent(render: Callable[..., Any]) -> None:
    card = {"elements": [{"content": "{{ word }}", "icon": None}]}
    operator = render(tell(content=card, msg_type="interactive"))
    assert operator.content == {"elements": [{"content": "it", "icon": None}]}


@pytest.mark.parametrize(
    "make",
    [
        lambda text: LarkBitableBulkInsertOperator(task_id="t", app_token="a", records=[], table_id=text),
        lambda text: LarkBitableBulkInsertOperator(
            task_id="t", app_token="a", records=[], idempotency_key=text
        ),
        lambda text: LarkBitableBulkInsertOperator(
            task_id="t", app_token="a", records=[], retry_rejects=text
        ),
        lambda text: LarkBitableSearchOperator(task_id="t", app_token="a", table_id=text),
        lambda text: LarkBitableSearchOperator(task_id="t", app_token="a", filter=text),
        lambda text: LarkCardCallbackSensor(task_id="t", message_id="om_1", actions=text),
        lambda text: LarkApprovalOperator(task_id="t", receiver_id="oc_1", title=text),
        lambda text: LarkApprovalOperator(task_id="t", receiver_id="oc_1", title="?", text=text),
        lambda text: tell(mentions=text),
        lambda text: tell(idempotency_key=text),
        lambda text: LarkUpdateMessageOperator(task_id="t", message_id="om_1", content="x", mentions=text),
        lambda text: LarkWebhookOperator(task_id="t", content="x", mentions=text),
    ],
)
def test_a_missing_xcom_widens_nothing_in_a_native_dag(
    render: Callable[..., Any], make: Callable[[Any], Any]
) -> None:
    with pytest.raises(AirflowFailException, match=r"must have a value, got None after rendering"):
        render(make(MISSING), native=True)


@pytest.mark.parametrize("people", [[], (), {}])
@pytest.mark.parametrize(
    "make",
    [
        lambda who: LarkApprovalOperator(task_id="t", receiver_id="oc_1", title="?", approvers=who),
        lambda who: LarkCardCallbackSensor(task_id="t", message_id="om_1", operators=who),
    ],
)
def test_an_xcom_that_names_nobody_opens_no_question_to_everybody(
    render: Callable[..., Any], make: Callable[[Any], Any], people: Any
) -> None:
    with pytest.raises(
        AirflowFailException,
        match=r"(approvers|operators) must have a value, got an empty .* after rendering",
    ):
        render(make("{{ ti.xcom_pull(task_ids='people') }}"), native=True, people=people)
    render(make([]))  # written down as everybody's


def test_a_missing_xcom_in_a_file_is_an_error(folder: Path, render: Callable[..., Any]) -> None:
    (folder / "report.md").write_text(f"Loaded {MISSING} rows")
    with pytest.raises(AirflowFailException, match=r"XCom in .Loaded"):
        render(tell(content="report.md"))


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("{{ ti.xcom_pull(task_ids='there') }} rows", "842 rows"),
        ("{{ ti.xcom_pull(task_ids='gone') or 'no' }} rows", "no rows"),
        ("{{ ti.xcom_pull(task_ids='gone', map_indexes=None, default='no') }} rows", "no rows"),
        ("{{ ti.xcom_pull(task_ids='gone') | default('no') }} rows", "no rows"),
        ("{{ ti.xcom_pull(task_ids='gone') | d('no', true) }} rows", "no rows"),
        ("{{ 'no' if ti.xcom_pull(task_ids='gone') == none else 'some' }} rows", "no rows"),
        ("{{ 'no' if ti.xcom_pull(task_ids='gone') is sameas none else 'some' }} rows", "no rows"),
        ("{{ 'some' if ti.xcom_pull(task_ids='gone') is not none else 'no' }} rows", "no rows"),
        ("{{ ti.xcom_pull(task_ids='gone') | int }} rows", "0 rows"),
        ("{{ ti.xcom_pull(task_ids=['gone', 'there']) | reject('none') | join }} rows", "842 rows"),
        ("{{ told(ti.xcom_pull(task_ids='gone')) }} rows", "no rows"),
        ("{{ ti.xcom_pull(task_ids='gone') | told }} rows", "no rows"),
        ("{{ ti.xcom_pull(task_ids='there') | told }} rows", "some rows"),
        ("{{ ['no', ti.xcom_pull(task_ids='gone')] | first }} rows", "no rows"),
        ("{% if ti.xcom_pull(task_ids='gone') is none %}no rows{% endif %}", "no rows"),
        ("{{ word }}: {{ none }}", "it: None"),
    ],
)
def test_what_is_there_or_has_a_substitute_is_sent(
    render: Callable[..., Any], text: str, becomes: str, native: bool
) -> None:
    assert render(tell(content=text), native=native, there=842).content == becomes


def test_a_text_none_of_the_authors_own_is_sent(render: Callable[..., Any]) -> None:
    assert render(tell(content="None")).content == "None"


def test_a_missing_native_argument_stays_none(render: Callable[..., Any]) -> None:
    load = LarkBitableBulkInsertOperator(
        task_id="t", app_token="a", records="x.y", records_kwargs={"since": MISSING}
    )
    assert render(load, native=True).records_kwargs == {"since": None}


ENDINGS = f"""
from __future__ import annotations
import pendulum
from airflow.sdk import DAG, task
from lark_provider.notifications import LarkNotifier
from lark_provider.operators.approval import LarkApprovalOperator
from lark_provider.operators.message import LarkSendMessageOperator

with DAG("endings", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    @task(on_success_callback=LarkNotifier(receiver_id="{CHAT}", content="Sent CHANGES.md",
                                           msg_type="text"))
    def other():
        pass
    other()
    LarkSendMessageOperator(task_id="text", receiver_id="{CHAT}", content="Wrote README.md")
    LarkSendMessageOperator(task_id="title", receiver_id="{CHAT}", content="{{{{ 'x.json' }}}}")
    LarkSendMessageOperator.partial(task_id="mapped", receiver_id="{CHAT}").expand(
        content=["Mapped x.md", "beside.md"])
    LarkSendMessageOperator(task_id="receiver", receiver_id="ion@firma.md", content="hi")
"""
NOTHING = f"""
from __future__ import annotations
import pendulum
from airflow.sdk import DAG, task
from lark_provider.operators.message import LarkSendMessageOperator

with DAG("nothing", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    @task
    def load():
        return None
    count = load()
    count >> LarkSendMessageOperator(task_id="pulled", receiver_id="{CHAT}", retries=3,
                                     content="Loaded {{{{ ti.xcom_pull(task_ids='load') }}}} rows")
    LarkSendMessageOperator(task_id="given", receiver_id="{CHAT}", content=count, retries=3)
"""


def test_messages_that_end_like_files_are_sent_and_no_log_complains(
    lark: Emulator, airflow_home: AirflowHome
) -> None:
    (airflow_home.dags / "endings.py").write_text(ENDINGS)
    (airflow_home.dags / "beside.md").write_text("from a file, index {{ ti.map_index }}")
    printed = _test(airflow_home, "endings", lark)
    texts = [message["content"]["text"] for message in lark.state()["chats"][0]["messages"]]
    wanted = ["Wrote README.md", "x.json", "Mapped x.md", "from a file, index 1", "Sent CHANGES.md"]
    assert sorted(texts) == sorted(wanted), printed
    assert "Failed to resolve template" not in printed
    assert "Failed to get source" not in printed
    assert "TemplateNotFound" not in printed
    assert "ion@firma.md" in printed  # which is nobody's address, says Lark


def test_a_task_without_its_xcom_fails_at_once_and_sends_nothing(
    lark: Emulator, airflow_home: AirflowHome
) -> None:
    (airflow_home.dags / "nothing.py").write_text(NOTHING)
    printed = _test(airflow_home, "nothing", lark)
    assert lark.state()["chats"][0]["messages"] == []
    assert "xcom_pull(task_ids='load') }} rows\" must have a value, got None. Next: " in printed
    assert "content must have a value, got None after rendering" in printed
    assert "up_for_retry" not in printed.lower()


def _test(home: AirflowHome, dag_id: str, lark: Emulator) -> str:
    env = home.env | {"AIRFLOW_CONN_LARK_DEFAULT": connection(lark)}
    command = [sys.executable, "-m", "airflow", "dags", "test", dag_id]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - ours
    return done.stdout + done.stderr


def test_a_number_of_a_native_dag_is_a_text_where_only_a_text_can_be(
    lark: Emulator, render: Callable[..., Any], context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"receivers": {"7": CHAT}}))
    pulled = "{{ ti.xcom_pull(task_ids='there') }}"
    settings: dict[str, Any] = {"receiver_id": pulled, "content": pulled, "idempotency_key": pulled}
    message = LarkSendMessageOperator(task_id="t", **settings)
    render(message, native=True, there=7)
    message.execute(context())
    assert [sent["content"] for sent in lark.state()["chats"][0]["messages"]] == [{"text": "7"}]
    for other in (
        render(LarkWebhookOperator(task_id="w", content=pulled, title=pulled), native=True, there=7),
        render(LarkNotifier(**settings), native=True, there=7),
        render(LarkApprovalOperator(task_id="a", receiver_id=pulled, title=pulled), native=True, there=7),
    ):
        names = {"receiver_id", "content", "title", "idempotency_key"} & set(other.template_fields)
        assert {name: getattr(other, name) for name in names} == dict.fromkeys(names, "7")
    flag = render(LarkWebhookOperator(task_id="b", content=pulled), native=True, there=True)
    assert flag.content is True  # it is refused when it is sent
