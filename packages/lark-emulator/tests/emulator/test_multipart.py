from __future__ import annotations

import pytest
from lark_emulator.multipart import MalformedError, parse

KIND = "multipart/form-data; boundary=b"


def make_body(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


def test_fields_and_files() -> None:
    text = b'Content-Disposition: form-data; name="file_name"\r\n\r\n\xe6\x97\xa5'
    file = (
        b'content-disposition: form-data; name=file; filename="a;\\"b.csv"\r\nContent-Type: x/y\r\n\r\n\0\r\n'
    )
    parts = parse(KIND, make_body(text, file))
    assert parts["file_name"].text == "日"
    assert parts["file_name"].file_name is None
    assert (parts["file"].file_name, parts["file"].content) == ('a;"b.csv', b"\0\r\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"x--b--",
        b"\r\n--bc\r\n",
        b"\r\n-b--",
        b"\n--b\n",
        bytes(range(256)),
    ],
)
def test_contents_come_out_as_they_went_in(content: bytes) -> None:
    part = b'Content-Disposition: form-data; name="file"\r\n\r\n' + content
    assert parse(KIND, make_body(part, part))["file"].content == content


def test_what_surrounds_a_form_is_ignored() -> None:
    form = make_body(b'Content-Disposition: form-data; name="a"\r\n\r\n1')
    assert (
        parse('Multipart/Form-Data; charset=utf-8; boundary="b"', b"preamble\r\n" + form + b"end")["a"].text
        == "1"
    )


def test_names_in_other_character_sets() -> None:
    part = b"Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%E6%97%A5.csv\r\n\r\n1"
    assert parse(KIND, make_body(part))["file"].file_name == "日.csv"


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("application/json", make_body()),
        ("", make_body()),
        ("multipart/form-data", make_body()),
        ("multipart/mixed; boundary=b", make_body()),
        (KIND, b""),
        (KIND, make_body(b'Content-Disposition: form-data; name="a"\r\n\r\n1', end=b"")),
        (KIND, make_body(b'Content-Disposition: form-data; name="a"\r\n\r\n1', end=b"--b\r\n")),
        (KIND, make_body(b"Content-Disposition: form-data\r\n\r\n1")),
        (KIND, make_body(b"1")),
        (KIND, make_body(b'Content-Disposition: form-data; name="a"')),
        (KIND, b"--b\r\n--b--\r\n"),
    ],
)
def test_forms_that_are_none(kind: str, form: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(kind, form)


def test_a_field_that_is_not_text() -> None:
    part = parse(KIND, make_body(b'Content-Disposition: form-data; name="a"\r\n\r\n\xff'))["a"]
    with pytest.raises(MalformedError):
        _ = part.text


@pytest.mark.parametrize("name", ["filename*=UTF-8''a; filename*0=b", "filename*0=b; filename*=UTF-8''a"])
def test_a_parameter_that_is_given_in_two_ways_is_refused(name: str) -> None:
    part = f'Content-Disposition: form-data; name="file"; {name}'.encode() + b"\r\n\r\nx"
    with pytest.raises(MalformedError):
        parse(KIND, make_body(part))
    with pytest.raises(MalformedError):
        parse(f"multipart/form-data; {name.replace('filename', 'boundary')}", make_body(b""))
