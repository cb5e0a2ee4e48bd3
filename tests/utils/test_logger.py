from __future__ import annotations

import logging
import logging.config
import subprocess
import sys
from pathlib import Path

import pytest

from lark_provider.errors import ConfigurationError
from lark_provider.utils import logger as module
from lark_provider.utils.logger import setup_logger

LOGGER = logging.getLogger("lark_provider")
CHILD = logging.getLogger("lark_provider.engine.somewhere")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)


def test_the_level_is_info_unless_the_environment_or_the_caller_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert setup_logger().level == logging.INFO
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert setup_logger().level == logging.DEBUG
    assert setup_logger(level=logging.ERROR).level == logging.ERROR
    assert setup_logger("Warning").level == logging.WARNING


@pytest.mark.parametrize("wrong", ["LOUD", "1O"])
def test_a_level_that_is_none_is_named_with_those_that_are(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup_logger(logging.ERROR)
    with pytest.raises(
        ConfigurationError, match=rf"level must be a log level, got '{wrong}'. Next: .*DEBUG, INFO, .*ERROR"
    ):
        setup_logger(wrong)
    monkeypatch.setenv("LOG_LEVEL", wrong)
    with pytest.raises(ConfigurationError, match=f"LOG_LEVEL must be a log level, got '{wrong}'"):
        setup_logger()
    assert LOGGER.level == logging.ERROR


def test_lines_go_to_standard_error_and_to_a_file_whose_folder_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "var" / "log" / "app.log"
    setup_logger(level=logging.INFO, log_file=str(file))
    CHILD.info("完成 ✅")
    CHILD.debug("too much")
    assert capsys.readouterr().err.endswith("INFO lark_provider.engine.somewhere: 完成 ✅\n")
    assert file.read_text("utf-8").endswith("INFO lark_provider.engine.somewhere: 完成 ✅\n")


def test_called_twice_no_line_appears_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "app.log"
    root = logging.StreamHandler()
    logging.getLogger().addHandler(root)
    try:
        setup_logger(level=logging.INFO)
        setup_logger(level=logging.INFO, log_file=file)
        setup_logger(level=logging.INFO, log_file=file)
        CHILD.info("once")
    finally:
        logging.getLogger().removeHandler(root)
    assert capsys.readouterr().err.count("once") == 1
    assert file.read_text().count("once") == 1


def test_another_file_is_followed_and_the_old_one_closed(tmp_path: Path) -> None:
    setup_logger(log_file=tmp_path / "first.log")
    (handler,) = (candidate for candidate in module._ours if isinstance(candidate, logging.FileHandler))
    setup_logger(log_file=tmp_path / "second.log")
    CHILD.info("later")
    assert handler.stream is None
    assert "later" not in (tmp_path / "first.log").read_text()
    assert "later" in (tmp_path / "second.log").read_text()


def test_a_rotated_file_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    setup_logger(log_file=file)
    CHILD.info("before")
    file.rename(tmp_path / "app.log.1")
    CHILD.info("after")
    assert "before" in (tmp_path / "app.log.1").read_text()
    assert file.read_text().endswith("after\n")


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    setup_logger(logging.ERROR)
    before = list(LOGGER.handlers)
    (tmp_path / "file").touch()
    for wrong in (tmp_path, tmp_path / "file" / "app.log"):
        with pytest.raises(ConfigurationError, match=f"{wrong} cannot be written: .*Next: name a path"):
            setup_logger(logging.DEBUG, wrong)
    assert (LOGGER.handlers, LOGGER.level) == (before, logging.ERROR)


def test_handlers_of_others_and_the_root_logger_are_left_alone() -> None:
    theirs = logging.NullHandler()
    LOGGER.addHandler(theirs)
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    try:
        setup_logger()
        setup_logger()
        assert theirs in LOGGER.handlers
    finally:
        LOGGER.removeHandler(theirs)
    assert (list(root.handlers), root.level) == before


def test_secrets_are_masked_in_messages_arguments_and_tracebacks(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    setup_logger(log_file=file)
    try:
        raise ValueError("postgresql://lark:pa55word@db/x with app_secret=s3cret0")  # noqa: TRY301 - the test
    except ValueError:
        CHILD.exception("Authorization: Bearer %s, token %s", "t-g104abcdefghijkl", "t-g104abcdefghijkl")
    written = file.read_text()
    assert "Traceback" in written
    assert "lark:***@db" in written
    for secret in ("pa55word", "s3cret0", "g104abcdefghijkl"):
        assert secret not in written


def test_a_framework_configures_it_by_its_own_means(capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"lark": {"()": "lark_provider.utils.logger.RedactingFormatter"}},
            "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lark"}},
            "loggers": {"lark_provider": {"handlers": ["console"], "level": "INFO", "propagate": False}},
        }
    )
    CHILD.info("with password=hunter2")
    LOGGER.handlers.clear()
    assert capsys.readouterr().err == "with password=***\n"


# --- fields ---


def test_fields_follow_the_message_and_a_traceback_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logger()
    fields = {
        "app_id": "cli_a",
        "seconds": 1.5,
        "none": None,
        "text": 'two "words"',
        "empty": "",
        "path": "a=b",
    }
    CHILD.info("Connected", extra=fields)
    try:
        raise ValueError("x")  # noqa: TRY301 - the test
    except ValueError:
        CHILD.exception("Failed with %s", "code", extra={"code": 5})
    first, second, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith(
        ' Connected app_id=cli_a seconds=1.5 none=None text="two \\"words\\"" empty="" path="a=b"'
    )
    assert second.endswith(" Failed with code code=5")
    assert rest[0] == "Traceback (most recent call last):"


@pytest.mark.parametrize("odd", ["a\nERROR forged", "a\r\nb", "a\x1b[31mb", "a\u2028b", "\x85b"])
def test_a_field_begins_no_line_of_its_own(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logger()
    CHILD.info("Request refused", extra={"app_id": odd})
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert not set(said[:-1]) & set("\n\r\x1b\x85\u2028")


def test_secrets_in_fields_are_masked_by_their_names_and_their_looks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup_logger()
    secrets = {
        "app_secret": "s3cret-1",
        "token": "s3cret-2",
        "encrypt_key": "s3cret-3",
        "url": "postgresql://lark:s3cret-4@db/x",
        "error": "Authorization: Bearer s3cret-5",
        "answer": {"tenant_access_token": "t-s3cretcretcret"},
    }
    CHILD.info("Shown", extra=secrets)
    said = capsys.readouterr().err
    assert "s3cret" not in said
    assert "app_secret=*** token=*** encrypt_key=*** url=postgresql://lark:***@db/x" in said


# --- without a call, by the environment alone ---

QUIET = "import logging\nimport lark_provider\nlogging.getLogger('lark_provider.x').{level}('a line')\n"


def read_printed(code: str, tmp_path: Path, **environment: str) -> str:
    """Run a program with only this in its environment, and return what it writes to the standard error."""
    file = tmp_path / "app.py"
    file.write_text(code)
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, file],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_log_level_alone_shows_our_lines(tmp_path: Path) -> None:
    debug, info = QUIET.format(level="debug"), QUIET.format(level="info")
    assert read_printed(debug, tmp_path, LOG_LEVEL="DEBUG").endswith(" DEBUG lark_provider.x: a line\n")
    assert read_printed(info, tmp_path, LOG_LEVEL="info").endswith(" INFO lark_provider.x: a line\n")
    assert read_printed(debug, tmp_path, LOG_LEVEL="INFO") == ""
    assert read_printed(info, tmp_path) == ""
    assert read_printed(info, tmp_path, LOG_LEVEL="of another program").endswith(
        " INFO lark_provider.x: a line\n"
    )


ORDERS = {
    "configured before": "import logging\nlogging.basicConfig(format='root %(message)s')\n" + QUIET,
    "configured later": QUIET.replace(
        "import lark_provider\n", "import lark_provider\nlogging.basicConfig(format='root %(message)s')\n"
    ),
    "set up": QUIET.replace(
        "import lark_provider\n",
        "import lark_provider\nfrom lark_provider.utils.logger import setup_logger\nsetup_logger('DEBUG')\n",
    ),
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_program_that_configures_logging_has_each_line_once(order: str, tmp_path: Path) -> None:
    said = read_printed(ORDERS[order].format(level="debug"), tmp_path, LOG_LEVEL="DEBUG")
    assert said.count("a line") == 1
    assert said == "root a line\n" or order == "set up"


@pytest.mark.parametrize("character", ["\n", "\r", "\x0b", "\x1b", "\x85", "\u2028"])
def test_a_message_begins_no_line_of_its_own(character: str) -> None:
    error = f"no{character}t-0123456789abcdef{character}2026-01-01 INFO forged"
    record = logging.makeLogRecord({"msg": "Not kept: %s", "args": (error,), "key": "a\nb"})
    line = module.RedactingFormatter("%(levelname)s %(message)s").format(record)
    assert len(line.splitlines()) == 1
    assert character not in line
    assert "0123456789abcdef" not in line
