"""The guard within Airflow's own model: two sessions that hold the same question, on both databases."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from airflow.models.hitl import HITLDetail
from fastapi import HTTPException
from sqlalchemy.orm import Session, lazyload

from lark_provider.plugins.guard import EXPECTED, install
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(params=["postgres", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """Yield an engine for a database with Airflow's table of questions and the ids of task instances."""
    url = f"sqlite:///{tmp_path}/airflow.db"
    if request.param == "postgres":
        server_url = sa.make_url(request.getfixturevalue("database_url"))
        url = server_url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    engine = sa.create_engine(url)
    assert install() is None
    with engine.begin() as connection:
        kind = HITLDetail.__table__.c.ti_id.type.compile(engine.dialect)
        connection.exec_driver_sql(f"CREATE TABLE task_instance (id {kind} PRIMARY KEY)")
        HITLDetail.__table__.create(connection)
    yield engine
    engine.dispose()


def ask(database: sa.Engine) -> uuid.UUID:
    ti_id = uuid.uuid4()
    with Session(database) as session:
        value = ti_id.hex if database.dialect.name == "sqlite" else ti_id
        session.execute(sa.text("INSERT INTO task_instance VALUES (:id)"), {"id": value})
        session.add(HITLDetail(ti_id=ti_id, options=["Approve"], subject="Deploy?"))
        session.commit()
    return ti_id


def read(session: Session, ti_id: uuid.UUID) -> HITLDetail:
    return session.get_one(HITLDetail, ti_id, options=[lazyload(HITLDetail.task_instance)])


def answer(detail: HITLDetail, person: str) -> None:
    detail.responded_at, detail.chosen_options = NOW, ["Approve"]
    detail.responded_by = {"id": person, "name": person}


def answered_by(database: sa.Engine, ti_id: uuid.UUID) -> object:
    with Session(database) as session:
        responder = read(session, ti_id).responded_by
        return None if responder is None else responder["id"]


def commit_refused(session: Session) -> int:
    with pytest.raises(HTTPException) as error:
        session.commit()
    session.rollback()
    return error.value.status_code


def test_of_two_answers_the_first_one_counts(database: sa.Engine) -> None:
    ti_id, other = ask(database), ask(database)
    with Session(database) as first, Session(database) as second, Session(database) as third:
        for session, person in ((first, "bob"), (second, "alice")):
            answer(read(session, ti_id), person)
        first.commit()
        assert commit_refused(second) == 409
        answer(read(third, other), "eve")
        third.commit()
    assert (answered_by(database, ti_id), answered_by(database, other)) == ("bob", "eve")


def test_an_answer_for_another_try_is_refused(database: sa.Engine) -> None:
    ti_id = ask(database)
    for expected, person in ((str(uuid.uuid4()), "bob"), (str(ti_id), "alice")):
        token = EXPECTED.set(expected)
        try:
            with Session(database) as session:
                answer(read(session, ti_id), person)
                if person == "bob":
                    assert commit_refused(session) == 410
                else:
                    session.commit()
        finally:
            EXPECTED.reset(token)
    assert answered_by(database, ti_id) == "alice"


def test_what_is_no_answer_is_not_guarded(database: sa.Engine) -> None:
    ti_id = ask(database)
    with Session(database) as session:
        detail = read(session, ti_id)
        answer(detail, "bob")
        session.commit()
        token = EXPECTED.set("another try")
        try:
            detail.subject = "Deploy now?"
            session.commit()
            detail.responded_at = detail.responded_by = None  # as a task does that asks again
            session.commit()
        finally:
            EXPECTED.reset(token)
        answer(detail, "alice")
        session.commit()
    assert answered_by(database, ti_id) == "alice"


def test_an_answer_to_a_question_that_went_to_another_try_is_refused(database: sa.Engine) -> None:
    ti_id = ask(database)
    with Session(database) as session:
        answer(read(session, ti_id), "bob")
        with session.no_autoflush, Session(database) as clearing:
            clearing.execute(sa.delete(HITLDetail).where(HITLDetail.ti_id == ti_id))
            clearing.commit()
        assert commit_refused(session) == 410


def test_an_answer_waits_for_one_that_is_being_written(database: sa.Engine) -> None:
    ti_id, locking = ask(database), threading.Event()

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE"):
            locking.set()

    def waits() -> bool:
        if database.dialect.name == "sqlite":  # It locks the file, which shows in no table.
            return locking.is_set()
        return bool(count_waiting(database))

    with Session(database) as first, Session(database) as second, ThreadPoolExecutor(1) as threads:
        for session, person in ((first, "bob"), (second, "alice")):
            answer(read(session, ti_id), person)
        first.flush()
        sa.event.listen(database, "before_cursor_execute", note)
        late = threads.submit(commit_refused, second)
        wait_until(waits)
        first.commit()
        assert late.result() == 409
    assert answered_by(database, ti_id) == "bob"
