"""Where the broker is, and what is said when that is invalid."""

from __future__ import annotations

import ssl
from pathlib import Path

import pika
import pytest

from lark_provider.callbacks.broker.amqp import (
    make_broker_error,
    make_persistent_properties,
    ping,
    read_broker,
)
from lark_provider.config import has_broker
from lark_provider.errors import BrokerError, ConfigurationError, TransportError
from tests.services.processes import HOST, free_port

SECRET = "s3cr:t/p@ss#1"
QUOTED = "s3cr%3At%2Fp%40ss%231"


def login(url: str | None, environ: dict[str, str]) -> pika.PlainCredentials:
    credentials = read_broker(url, environ).parameters.credentials
    assert isinstance(credentials, pika.PlainCredentials)
    return credentials


def test_nothing_configured_is_said() -> None:
    assert not has_broker(
        environ={"RABBITMQ_QUEUE_TYPE": "classic", "RABBITMQ_CA": "/ca.pem", "RABBITMQ_HOST": " "}
    )
    with pytest.raises(
        ConfigurationError, match=r"RabbitMQ must be configured, got no setting\. Next: set RABBITMQ_HOST"
    ):
        read_broker(None, {})


def test_the_parts() -> None:
    environ = {
        "RABBITMQ_HOST": "mq.example.com",
        "RABBITMQ_PORT": "5673",
        "RABBITMQ_USER": "lark",
        "RABBITMQ_PASSWORD": SECRET,
        "RABBITMQ_VHOST": "/lark",
    }
    assert has_broker(environ=environ)
    parsed = read_broker(None, environ)
    where = parsed.parameters
    assert (where.host, where.port, where.virtual_host) == ("mq.example.com", 5673, "/lark")
    assert (login(None, environ).username, login(None, environ).password) == ("lark", SECRET)
    assert where.ssl_options is None
    assert str(parsed) == "RabbitMQ at mq.example.com:5673, virtual host '/lark'"
    assert SECRET not in repr(parsed)


def test_the_port_that_kubernetes_sets_for_a_service_is_no_setting() -> None:
    link = {"RABBITMQ_PORT": "tcp://10.0.0.1:5672"}
    assert not has_broker(environ=link)
    assert read_broker(None, {"RABBITMQ_HOST": "mq", **link}).parameters.port == 5672
    assert read_broker(None, {"RABBITMQ_TLS": "true", **link}).parameters.port == 5671


def test_the_defaults() -> None:
    where = read_broker(None, {"RABBITMQ_HOST": "mq"}).parameters
    assert (where.port, where.virtual_host) == (5672, "/")
    assert login(None, {"RABBITMQ_HOST": "mq"}).username == "guest"


@pytest.mark.parametrize("text", ["true", "1", "Yes", "on"])
def test_tls_by_parts(text: str) -> None:
    where = read_broker(None, {"RABBITMQ_HOST": "mq", "RABBITMQ_TLS": text}).parameters
    assert where.port == 5671
    assert where.ssl_options is not None
    assert where.ssl_options.server_hostname == "mq"
    assert where.ssl_options.context.verify_mode is ssl.CERT_REQUIRED
    assert where.ssl_options.context.check_hostname


def test_a_url_wins_and_an_argument_wins_over_it() -> None:
    environ = {"RABBITMQ_HOST": "parts", "RABBITMQ_URL": f"amqp://u:{QUOTED}@variable/v%2Fw"}
    where = read_broker(None, environ).parameters
    assert (where.host, where.port, where.virtual_host) == ("variable", 5672, "v/w")
    assert login(None, environ).password == SECRET
    assert read_broker("amqps://argument", environ).parameters.host == "argument"
    assert read_broker("amqps://argument", environ).parameters.port == 5671


def test_the_kind_of_queues() -> None:
    assert read_broker("amqp://mq", {}).queue_type == "quorum"
    assert read_broker("amqp://mq", {"RABBITMQ_QUEUE_TYPE": " Classic "}).queue_type == "classic"


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        (
            {"RABBITMQ_HOST": "mq", "RABBITMQ_PORT": "amqp"},
            "RABBITMQ_PORT must be a port number, got 'amqp'. Next: ",
        ),
        ({"RABBITMQ_HOST": "mq", "RABBITMQ_PORT": "65536"}, "got '65536'"),
        (
            {"RABBITMQ_HOST": "mq..internal"},
            r"must be a host name, got 'mq..internal'\. Next: correct RABBITMQ_HOST",
        ),
        ({"RABBITMQ_URL": f"amqp://{'m' * 64}/"}, "must be a host name"),
        ({"RABBITMQ_HOST": "mq", "RABBITMQ_PASSWORD": "\udce4"}, "must be UTF-8, got other bytes"),
        ({"RABBITMQ_HOST": "mq", "RABBITMQ_USER": "\udce4"}, "must be UTF-8, got other bytes"),
        ({"RABBITMQ_HOST": "mq", "RABBITMQ_PORT": "0"}, "got '0'"),
        (
            {"RABBITMQ_HOST": "mq", "RABBITMQ_TLS": "ja"},
            "RABBITMQ_TLS must be true or false, got 'ja'. Next: ",
        ),
        (
            {"RABBITMQ_HOST": "mq", "RABBITMQ_QUEUE_TYPE": "stream"},
            "RABBITMQ_QUEUE_TYPE must be quorum or classic, got 'stream'. Next",
        ),
        (
            {"RABBITMQ_URL": "http://mq"},
            "RABBITMQ_URL must be an AMQP URL, got another text. Next: write it as amqp://",
        ),
        ({"RABBITMQ_URL": "amqp://"}, "RABBITMQ_URL must be an AMQP URL"),
        ({"RABBITMQ_URL": "amqp://mq?heartbeat=often"}, "RABBITMQ_URL must be an AMQP URL"),
        ({"RABBITMQ_URL": "amqps://mq?ssl_options={"}, "RABBITMQ_URL must be an AMQP URL"),
        ({"RABBITMQ_URL": "amqps://mq?ssl_options=[]"}, "RABBITMQ_URL must be an AMQP URL"),
        ({"RABBITMQ_URL": "amqp://mq?tcp_options=%00"}, "RABBITMQ_URL must be an AMQP URL"),
        (
            {"RABBITMQ_URL": "amqps://mq?ssl_options={'ca_certs':'/no/ca.pem'}"},
            "RABBITMQ_URL must name certificates and keys that can be read in ssl_options, got No such file",
        ),
        ({"RABBITMQ_URL": "amqp://mq", "RABBITMQ_QUEUE_TYPE": "x"}, "got 'x'"),
    ],
)
def test_what_is_invalid_is_named(environ: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        read_broker(None, environ)


@pytest.mark.parametrize(
    "url",
    ["amqp://u:12/34@mq/v", "amqp://u:12#34@mq", "amqp://u:12?34@mq", "amqp://u:p/w@mq", "amqp://u@mq:x"],
)
def test_a_password_that_is_not_encoded_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_broker(url, {})
    assert "the broker's URL must be an AMQP URL" in str(raised.value)
    assert "12" not in str(raised.value)
    assert "34" not in str(raised.value)


def test_an_authority_that_is_not_a_file_or_no_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"RABBITMQ_CA must be .*got '/no/ca.pem'.*No such.*PEM"):
        read_broker("amqps://mq", {"RABBITMQ_CA": "/no/ca.pem"})
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="RABBITMQ_CA must be"):
        read_broker(None, {"RABBITMQ_TLS": "true", "RABBITMQ_CA": str(tmp_path / "ca.pem")})


def test_a_broker_that_is_unavailable_is_named_without_its_password() -> None:
    where = read_broker(f"amqp://lark:{QUOTED}@{HOST}:{free_port()}/lark", {})
    with pytest.raises(
        BrokerError, match=r"Cannot connect to RabbitMQ at 127.0.0.1:\d+, virtual host 'lark': \w+"
    ) as raised:
        ping(where)
    assert "ConnectionRefusedError" in str(raised.value)
    assert SECRET not in str(raised.value)
    assert isinstance(raised.value, TransportError)
    assert raised.value.retryable


def test_a_password_in_what_pika_says_is_masked() -> None:
    text = str(
        make_broker_error(read_broker("amqp://mq", {}), ValueError(f"amqp://lark:{QUOTED}@mq is odd."))
    )
    assert QUOTED not in text
    assert text.startswith(
        "Cannot connect to RabbitMQ at mq:5672, virtual host '/': ValueError: amqp://lark:***@mq"
    )


def test_a_wrong_password_and_a_missing_virtual_host_are_told_apart(rabbitmq: str) -> None:
    wrong = read_broker(rabbitmq, {})
    wrong.parameters.credentials = pika.PlainCredentials("guest", "wrong")
    with pytest.raises(BrokerError, match="ACCESS_REFUSED"):
        ping(wrong)
    missing = read_broker(rabbitmq, {})
    missing.parameters.virtual_host = "nowhere"
    with pytest.raises(BrokerError, match="vhost nowhere not found"):
        ping(missing)
    ping(read_broker(rabbitmq, {}))


def test_a_message_id_is_cut_to_what_amqp_carries_between_two_characters() -> None:
    make_persistent_properties("好" * 85).encode()  # 255 bytes, the most that a short string holds
    cut = make_persistent_properties("é" * 200)
    cut.encode()
    assert cut.message_id == "é" * 127
