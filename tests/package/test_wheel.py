"""What ships: the wheel, built once, installed into clean environments with and without Airflow."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from lark_emulator import Emulator
from lark_emulator.page import files as lark_emulator_files

from lark_provider import __version__
from lark_provider.storage import tables
from tests.package.environments import EMULATOR, ROOT, environment, run


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build and unpack the source distribution, and return its folder."""
    folder = tmp_path_factory.mktemp("sdist")
    build = "from hatchling.build import build_sdist; import sys; build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, folder, cwd=ROOT)
    (tarball,) = folder.glob("*.tar.gz")
    with tarfile.open(tarball) as archive:
        archive.extractall(folder, filter="data")
    return folder / tarball.name.removesuffix(".tar.gz")


def test_the_wheel_holds_what_it_should(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata_name,) = [name for name in names if name.endswith("METADATA")]
        metadata = Parser().parsestr(archive.read(metadata_name).decode())
        (entries,) = [name for name in names if name.endswith("entry_points.txt")]
        entry_points = archive.read(entries).decode()
    assert {"lark_provider/py.typed", "lark_provider/example_dags/etl_to_lark.py"} <= names
    assert "lark_provider/example_dags/data/flights_2013-01-01.csv" in names
    assert {"lark_provider/migrations/env.py", "lark_provider/migrations/script.py.mako"} <= names
    versions = sorted(path.name for path in (ROOT / "migrations" / "versions").glob("*.py"))
    assert versions == sorted(
        name.rpartition("/")[2] for name in names if name.startswith("lark_provider/migrations/versions/")
    )
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests", "scripts", "docs"))]
    assert (metadata["Name"], metadata["Version"]) == ("airflow-provider-lark", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"airflow", "emulator", "all", "dev"} <= set(metadata.get_all("Provides-Extra", []))
    assert "lark-provider = lark_provider.cli.__main__:main" in entry_points
    assert "[apache_airflow_provider]" in entry_points


def test_the_source_distribution_is_whole(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    for page in (
        "README.md",
        "README.zh.md",
        "CONTRIBUTING.md",
        *(path.relative_to(sdist).as_posix() for path in sdist.glob("docs/**/*.md")),
    ):
        prose = re.sub(r"`[^`\n]*`", "", (sdist / page).read_text())
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", prose)
        assert [link for link in links if not (sdist / page).parent.joinpath(link).exists()] == []
    # README is also the page of an index, where only whole addresses lead anywhere.
    readme = (sdist / "README.md").read_text() + (sdist / "README.zh.md").read_text()
    assert re.findall(r"\]\((?!https?:|#)", readme) == []
    targets = set(re.findall(r"airflow-provider-lark/blob/main/([^)#]+)", readme))
    assert [target for target in targets if not (sdist / target).exists()] == []
    assert {"Makefile", "requirements-dev.lock", "docker-compose.yml"} <= {
        path.name for path in sdist.iterdir()
    }
    assert (sdist / "scripts" / "bootstrap.sh").exists()
    build = "from hatchling.build import build_wheel; import sys; build_wheel(sys.argv[1])"
    run(sys.executable, "-c", build, tmp_path, cwd=sdist)
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(again) as mine, zipfile.ZipFile(wheel) as theirs:
        assert sorted(mine.namelist()) == sorted(theirs.namelist())


def test_the_client_works_in_an_environment_without_airflow(
    wheel: Path, tmp_path: Path, lark: Emulator
) -> None:
    bin_ = environment(tmp_path / "plain", str(wheel))
    script = """
        import importlib.util, lark_provider
        assert importlib.util.find_spec("airflow") is None and importlib.util.find_spec("lark_oapi") is None
        from lark_provider import LarkServiceClient
        assert "site-packages" in lark_provider.__file__
        sent = LarkServiceClient().messaging.send_text("oc_emulator_data_team", "from the wheel")
        print(sent.data["message_id"])
        try:
            import lark_provider.hooks.lark
        except lark_provider.ConfigurationError as error:
            print(error)
    """
    printed = run(bin_ / "python", "-c", textwrap.dedent(script))
    assert printed.startswith("om_")
    assert "Apache Airflow, which is not installed" in printed
    assert run(bin_ / "lark-provider", "--version").strip() == f"airflow-provider-lark {__version__}"
    assert run(bin_ / "lark-provider", "message", "send", "--to", "alice@example.com", "✅").startswith("om_")
    assert len(lark.state()["chats"][0]["messages"]) == 1


def test_the_installed_command_migrates_and_keeps_apps(
    wheel: Path, tmp_path: Path, database_url: str
) -> None:
    bin_ = environment(tmp_path / "plain", str(wheel))
    for url in (database_url, f"sqlite:///{tmp_path}/lark.db"):
        run(bin_ / "lark-provider", "db", "upgrade", LARK_DATABASE_URL=url)
        assert tables.HEAD in run(bin_ / "lark-provider", "db", "current", LARK_DATABASE_URL=url)
        run(bin_ / "lark-provider", "db", "check", LARK_DATABASE_URL=url)
    key = run(bin_ / "lark-provider", "key", "generate").strip()
    add = ("app", "add", "--app-id", "cli_1", "--app-secret", "env:SECRET", "--name", "生产应用")
    for action in (add, ("app", "list")):
        printed = run(
            bin_ / "lark-provider",
            *action,
            LARK_CONFIG_ENCRYPTION_KEY=key,
            LARK_REGISTRY_PATH=database_url,
            SECRET="s3cret",
        )
    assert "生产应用" in printed


def test_the_gateway_as_it_is_installed_has_the_fast_parser_and_the_fast_loop(
    wheel: Path, tmp_path: Path
) -> None:
    """As the benchmarks measure it; by themselves, uvicorn's parser and loop are slower ones."""
    bin_ = environment(tmp_path / "gateway", f"{wheel}[gateway]")
    script = """
        import importlib.util, uvicorn
        assert importlib.util.find_spec("airflow") is None
        config = uvicorn.Config("lark_provider.cli:__doc__")
        config.load()
        print(config.http_protocol_class.__name__)
        print(uvicorn.Server(config).config.get_loop_factory()().__class__.__module__)
    """
    assert run(bin_ / "python", "-c", textwrap.dedent(script)).split() == ["HttpToolsProtocol", "uvloop"]


@pytest.mark.takes_minutes
def test_airflow_lists_the_provider_that_was_installed_beside_it(
    wheel: Path, emulator_wheel: Path, tmp_path: Path
) -> None:
    bin_ = environment(tmp_path / "full", f"{wheel}[airflow,emulator,gateway,listen]", str(emulator_wheel))
    home = str(tmp_path / "home")
    assert "airflow-provider-lark" in run(bin_ / "airflow", "providers", "list", AIRFLOW_HOME=home)
    run(bin_ / "airflow", "version", AIRFLOW_HOME=home)
    printed = run(bin_ / "lark-provider", "demo", AIRFLOW_HOME=home)
    assert "842 source = 842 table · 0 duplicates" in printed
    assert "0 buttons left on the card" in printed


@pytest.mark.takes_minutes
def test_the_wheel_passes_the_tests_of_the_source(wheel: Path, emulator_wheel: Path, tmp_path: Path) -> None:
    others = ("httpx", "pytest", "hypothesis", "pandas", "pendulum", "pyyaml")
    bin_ = environment(tmp_path / "tested", f"{wheel}[emulator,sdk]", str(emulator_wheel), *others)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / file, tmp_path)
    folders = [f"tests/{name}" for name in ("engine", "client")]  # which import all the others
    printed = run(bin_ / "python", "-P", "-m", "pytest", *folders, cwd=tmp_path)
    assert " passed" in printed
    assert " skipped" not in printed


def test_the_local_lark_runs_alone(emulator_wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(emulator_wheel) as archive:
        names = archive.namelist()
    assert "lark_emulator/py.typed" in names
    assert [name for name in names if not name.startswith(("lark_emulator/", "lark_emulator-"))] == []
    bin_ = environment(tmp_path / "alone", str(emulator_wheel))
    assert run(bin_ / "lark-emulator", "--version").strip() == f"lark-emulator {__version__}"
    script = """
        import importlib.util, re, urllib.request
        assert importlib.util.find_spec("lark_provider") is None
        from lark_emulator import Emulator
        with Emulator() as lark:
            page = urllib.request.urlopen(lark.base_url).read().decode()
            for path in ["/_emulator/state", *re.findall('(?:src|href)="([^"]+)"', page)]:
                assert urllib.request.urlopen(lark.base_url + path).status == 200, path
            print(page.count("/_page/"))
    """
    assert int(run(bin_ / "python", "-c", textwrap.dedent(script))) > 0
    static = Path(lark_emulator_files.__file__).parent / "static"
    shipped = {name.removeprefix("lark_emulator/page/static/") for name in names if "/page/static/" in name}
    assert shipped == {path.relative_to(static).as_posix() for path in static.rglob("*") if path.is_file()}
    assert {"vendor/LICENSE.preact", "vendor/LICENSE.htm"} <= shipped


def test_the_tests_of_the_local_lark_run_alone_from_its_source_distribution(
    emulator_wheel: Path, tmp_path: Path
) -> None:
    build = "from hatchling.build import build_sdist; import sys; print(build_sdist(sys.argv[1]))"
    name = run(sys.executable, "-c", build, tmp_path, cwd=EMULATOR).split()[-1]
    with tarfile.open(tmp_path / name) as archive:
        archive.extractall(tmp_path, filter="data")
    bin_ = environment(tmp_path / "alone", f"{emulator_wheel}[dev]")
    some = [
        f"tests/{file}.py"
        for file in ("emulator/test_signing", "emulator/test_recipes", "conformance/test_wiki")
    ]
    printed = run(bin_ / "python", "-P", "-m", "pytest", *some, cwd=tmp_path / name.removesuffix(".tar.gz"))
    assert re.search(r"^\d+ passed", printed, re.MULTILINE)


def test_without_the_local_lark_the_command_says_what_to_install(wheel: Path, tmp_path: Path) -> None:
    bin_ = environment(tmp_path / "plain", str(wheel))
    for arguments in ([], ["--port", "0"], ["--tls"], ["--set", "a=b", "--", "record"], ["record", "-h"]):
        done = subprocess.run(  # noqa: S603 - ours
            [bin_ / "lark-provider", "emulator", *arguments], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert "pip install 'airflow-provider-lark[emulator]'" in done.stderr
        assert "in a checkout: pip install ./packages/lark-emulator '.[emulator]'" in done.stderr


def test_the_lock_pins_everything_and_names_no_index() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert "http://" not in lock
    assert "https://" not in lock
    assert "--index-url" not in lock
    assert lock.count("==") > 100
    assert lock.count("--hash=sha256:") > lock.count("==")
