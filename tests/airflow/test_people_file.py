"""The people of `lark.yaml`, as the plugin reads them while the file is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lark_provider.errors import ConfigurationError
from lark_provider.plugins.settings import _People


@pytest.mark.parametrize(
    "broken",
    [
        "", "people: {ou_a: ann, ou_b: bob", "people: {ou_a: 7}", b"\xff", None,
        "[" * 2000, "{people: {ou_a: ann}, hold: !unknown 1}", "{people: {ou_b: bob}, people: {ou_a: ann}}",
    ],
)  # fmt: skip
def test_a_file_that_is_not_usable_for_a_moment_links_nobody_else_and_refuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str | bytes | None
) -> None:
    """An editor truncates it first. The error has the click delivered again; "unlinked" would be final."""
    path, people = tmp_path / "lark.yaml", _People()
    path.write_text("people: {ou_a: ann}")
    monkeypatch.setenv("LARK_ROUTES_PATH", str(path))
    assert people.read().users == {"ou_a": "ann"}
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"Next: "):
            people.read()
    path.write_text("people: {ou_a: ann, ou_b: bob}")
    assert people.read().users == {"ou_a": "ann", "ou_b": "bob"}


def test_a_file_that_is_missing_at_first_is_read_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, people = tmp_path / "lark.yaml", _People()
    monkeypatch.setenv("LARK_ROUTES_PATH", str(path))
    with pytest.raises(ConfigurationError, match=r"lark\.yaml.*Next: "):
        people.read()
    path.write_text("{people: {ou_a: ann}, routes: nonsense}")
    assert people.read().users == {"ou_a": "ann"}


def test_a_good_version_that_comes_back_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a link is set to a file that cannot be read, and back."""
    path, good, people = tmp_path / "lark.yaml", tmp_path / "good.yaml", _People()
    good.write_text("people: {ou_a: ann}")
    path.symlink_to(good)
    monkeypatch.setenv("LARK_ROUTES_PATH", str(path))
    assert people.read().users == {"ou_a": "ann"}
    path.unlink()
    path.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(ConfigurationError, match=r"Cannot read .*Next: "):
        people.read()
    path.unlink()
    path.symlink_to(good)
    assert people.read().users == {"ou_a": "ann"}


def test_an_impossible_date_among_the_routes_is_no_mistake_of_the_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bridge reads dates as text, too."""
    path, people = tmp_path / "lark.yaml", _People()
    path.write_text("people: {ou_a: ann}")
    monkeypatch.setenv("LARK_ROUTES_PATH", str(path))
    assert people.read().users == {"ou_a": "ann"}
    path.write_text("{people: {ou_b: bob}, hold: 2024-02-30}")
    for _ in range(2):
        assert people.read().users == {"ou_b": "bob"}
