"""Check the distributions that are to be released: `python scripts/release_check.py [--build] dist`.

`dist/lark-emulator` and `dist/airflow-provider-lark` hold a wheel and a source distribution each, which
`--build` builds. Checked are metadata, contents, licences of vendored parts, that each source distribution
builds its wheel, and an installation on each Python of this machine that the package is made for. Two files
are written beside them: a software bill of materials (CycloneDX), and `SHA256SUMS` of exactly the files that
were checked. `make release-check` also runs the tests of what ships.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.metadata import Metadata, parse_email
from trove_classifiers import classifiers as known_classifiers

ROOT = Path(__file__).parents[1]
PROJECTS = {"airflow-provider-lark": ROOT, "lark-emulator": ROOT / "packages" / "lark-emulator"}
SUMS = "SHA256SUMS"
BILL = "airflow-provider-lark.cdx.json"
UPLOADED_METADATA = ("2.3", "2.4")
"""What the publishing action that release.yml pins accepts: it has Twine 6.1."""
EXTRAS = "bridge,emulator,gateway,listen,metrics"
_NEVER = re.compile(r"(^|/)(tests?|scripts|\.env|\.git|__pycache__)(/|$)|\.pyc$|\.pem$|\.key$")
_ROW = re.compile(
    r"^\| `(?P<file>[^`]+)` \| (?P<name>[^|]+) \| (?P<version>\S+) \| "
    r"(?P<licence>[\w.-]+), `(?P<text>[^`]+)` \|"
)


class ReleaseError(Exception):
    """What must not be released; the text says why."""


@dataclass(frozen=True)
class Vendored:
    """A file of others that ships with ours."""

    file: str
    name: str
    version: str
    licence: str


def main(folder: Path, *, builds: bool) -> None:
    """Check everything that is to be released.

    Args:
        folder: Has a folder for each distribution; the bill of materials and the checksums are written there.
        builds: Whether to empty the folder and build the distributions first.

    Raises:
        ReleaseError: Something must not be released.
    """
    if builds:
        shutil.rmtree(folder, ignore_errors=True)
        for name, project in PROJECTS.items():
            build(project, folder / name)
    for file in (SUMS, BILL):
        (folder / file).unlink(missing_ok=True)
    built = find_built(folder)
    sums = format_sums(folder, built)
    for name, (wheel, sdist) in built.items():
        for file in (wheel, sdist):
            check_metadata(file, name)
            check_contents(file)
        check_source(sdist, wheel)
        print(f"✓ {wheel.name}, {sdist.name}: metadata and contents, and the second builds the first")
    parts = [part for project in PROJECTS.values() for part in list_vendored(project)]
    print(f"✓ licences of {len(parts)} vendored file(s)")
    wheels = [wheel for wheel, _ in built.values()]
    with tempfile.TemporaryDirectory() as temporary:
        for python in pythons():
            interpreter = install(python, Path(temporary) / Path(python).name, wheels)
            print(f"✓ installed: {check_version(interpreter)}")
        bill = bill_of_materials(interpreter, parts)
    (folder / BILL).write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"✓ {BILL}: {len(bill['components'])} components")
    if format_sums(folder, find_built(folder)) != sums:
        raise ReleaseError(f"The files in {folder} changed while they were checked. Next: check them again.")
    (folder / SUMS).write_text(sums, "utf-8")
    print(f"✓ {SUMS}: {len(built) * 2} files")


def build(project: Path, folder: Path) -> tuple[Path, Path]:
    """Build the wheel and the source distribution of a project; return both."""
    folder = folder.resolve()  # the build runs in the project's folder
    folder.mkdir(parents=True, exist_ok=True)
    return _build(project, folder, "wheel"), _build(project, folder, "sdist")


def _build(project: Path, folder: Path, kind: str) -> Path:
    script = f"import sys; from hatchling.build import build_{kind}; print(build_{kind}(sys.argv[1]))"
    return folder / run([sys.executable, "-c", script, folder], cwd=project).split()[-1]


def find_built(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return the wheel and the source distribution of each project in a folder of built files.

    Raises:
        ReleaseError: A file is missing, is of another version, or is no distribution of ours.
    """
    version = read_version()
    built: dict[str, tuple[Path, Path]] = {}
    for name in PROJECTS:
        stem = f"{name.replace('-', '_')}-{version}"
        built[name] = (folder / name / f"{stem}-py3-none-any.whl", folder / name / f"{stem}.tar.gz")
    wanted = {file for pair in built.values() for file in pair}
    present = {file for name in PROJECTS for file in folder.glob(f"{name}/**/*") if not file.is_dir()}
    for problem, files in (("is missing", wanted - present), ("must not be there", present - wanted)):
        if files:
            raise ReleaseError(f"{min(files)} {problem}. Next: build again, with --build.")
    return built


def format_sums(folder: Path, built: Mapping[str, tuple[Path, Path]]) -> str:
    """Return the checksums of the distributions, as `sha256sum --check` reads them in their folder."""
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n"
        for pair in built.values()
        for file in pair
    )


def list_names(distribution: Path) -> list[str]:
    """Return the names of the files of a wheel or of a source distribution."""
    if distribution.suffix == ".whl":
        with zipfile.ZipFile(distribution) as archive:
            return archive.namelist()
    with tarfile.open(distribution) as archive:
        return archive.getnames()


def check_metadata(distribution: Path, name: str) -> None:
    """Check a distribution's metadata by the rules of the index.

    Raises:
        ReleaseError: A rule is broken, or a link to pages of ours is not whole.
    """
    raw, unknown = parse_email(_read_metadata(distribution))
    problems = [f"unknown field {field}" for field in unknown]
    try:
        problems += _metadata_problems(Metadata.from_raw(raw), name)
    except ExceptionGroup as group:
        problems += [str(error) for error in group.exceptions]
    if problems:
        text = "; ".join(problems)
        raise ReleaseError(f"{distribution.name}: {text}. Next: correct pyproject.toml or README.md.")


def _read_metadata(distribution: Path) -> bytes:
    if distribution.suffix == ".whl":
        with zipfile.ZipFile(distribution) as archive:
            [place] = [member for member in archive.namelist() if member.endswith(".dist-info/METADATA")]
            return archive.read(place)
    with tarfile.open(distribution) as archive:
        file = archive.extractfile(f"{distribution.name.removesuffix('.tar.gz')}/PKG-INFO")
        return b"" if file is None else file.read()


def _metadata_problems(metadata: Metadata, name: str) -> Iterator[str]:
    if metadata.metadata_version not in UPLOADED_METADATA:
        yield f"metadata {metadata.metadata_version}, which the publishing action refuses"
    if metadata.name != name:
        yield f"the name is {metadata.name}, not {name}"
    for classifier in set(metadata.classifiers or ()) - known_classifiers:
        yield f"unknown classifier {classifier}"
    if metadata.description_content_type != "text/markdown":
        yield f"the description is {metadata.description_content_type}, not text/markdown"
    if not metadata.license_expression or not metadata.license_files:
        yield "no licence"
    for link in re.findall(r"\]\((?!https:|#)([^)]*)\)", metadata.description or ""):
        yield f"a link that leads nowhere from the index: {link}"


def check_contents(distribution: Path) -> None:
    """Check that a distribution holds its licence, and nothing that must stay here.

    Raises:
        ReleaseError: It holds what must not ship, or lacks the licence.
    """
    shipped = list_names(distribution)
    private = (
        _NEVER if distribution.suffix == ".whl" else re.compile(r"(^|/)(\.env|\.git|__pycache__)(/|$)|\.pyc$")
    )
    wrong = [name for name in shipped if private.search(name)]
    if wrong:
        raise ReleaseError(f"{distribution.name} holds {wrong[0]}. Next: leave it out in pyproject.toml.")
    if not any(name.endswith("LICENSE") for name in shipped):
        raise ReleaseError(f"{distribution.name} has no LICENSE. Next: name it in pyproject.toml.")


def check_source(sdist: Path, wheel: Path) -> None:
    """Check that a source distribution builds the wheel beside it, byte by byte.

    Raises:
        ReleaseError: A file of the wheel is another one.
    """
    with tempfile.TemporaryDirectory() as temporary:
        with tarfile.open(sdist) as archive:
            archive.extractall(temporary, filter="data")
        source = Path(temporary) / sdist.name.removesuffix(".tar.gz")
        again = _read_files(_build(source, Path(temporary), "wheel"))
    ours = _read_files(wheel)
    different = sorted(name for name in ours.keys() | again.keys() if ours.get(name) != again.get(name))
    if different:
        raise ReleaseError(
            f"{sdist.name} builds a wheel that differs from {wheel.name} in {different[0]}. Next: include "
            "what it lacks, in pyproject.toml."
        )


def _read_files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        members = archive.namelist()
        return {name: archive.read(name) for name in members if not name.endswith(".dist-info/RECORD")}


def list_vendored(project: Path) -> list[Vendored]:
    """Return the vendored files of a project, from the tables beside them.

    Raises:
        ReleaseError: A file is in no table, or the text of its licence is missing.
    """
    vendored = []
    for page in sorted(project.glob("src/**/vendor/README.md")):
        text = page.read_text("utf-8")
        rows = [match for line in text.splitlines() if (match := _ROW.match(line))]
        for row in rows:
            place = re.sub(r"^\[|\]\(.*", "", row["name"]).strip()
            vendored.append(Vendored(row["file"], place, row["version"], row["licence"]))
            if not (page.parent / row["text"]).is_file():
                raise ReleaseError(f"{page.parent} lacks {row['text']}. Next: copy the text of the licence.")
        ours = set(re.findall(r"`([^`]+)` is ours", text))
        listed = {row["file"] for row in rows} | {row["text"] for row in rows} | ours | {page.name}
        for file in sorted(page.parent.iterdir()):
            if file.name not in listed:
                raise ReleaseError(f"{file} is in no table. Next: say in {page.name} where it is from.")
    return vendored


def pythons() -> list[str]:
    """Return the interpreters of this machine that the package is made for: this one first."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    minors = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", text)]
    others = [shutil.which(f"python3.{minor}") for minor in minors if minor != sys.version_info.minor]
    return [sys.executable, *(path for path in others if path is not None and _works(path))]


def _works(python: str) -> bool:  # what is on PATH may be a shim that leads nowhere
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0  # noqa: S603


def install(python: str, folder: Path, wheels: list[Path]) -> Path:
    """Install the wheels with the extras of the services into a clean environment; return its interpreter."""
    run([python, "-m", "venv", "--without-pip", folder])
    interpreter = folder / "bin" / "python"
    [product] = [wheel for wheel in wheels if wheel.name.startswith("airflow_provider_lark-")]
    others = [wheel for wheel in wheels if wheel != product]
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        interpreter,
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    run([*pip, f"{product}[{EXTRAS}]", *others])
    return interpreter


def check_version(python: Path) -> str:
    """Return what the installed commands say of their versions; they have to agree with the sources'."""
    printed = [
        run([python.with_name(name), "--version"]).strip() for name in ("lark-provider", "lark-emulator")
    ]
    if any(not output.endswith(f" {read_version()}") for output in printed):
        raise ReleaseError(f"The installed versions are {printed}. Next: make the two __version__ agree.")
    return f"{', '.join(printed)} on {run([python, '--version']).strip()}"


def read_version() -> str:
    """Return the version that the sources name.

    Raises:
        ReleaseError: They name none.
    """
    text = (ROOT / "lark_provider" / "__init__.py").read_text("utf-8")
    match = re.search(r'__version__ = "([^"]+)"', text)
    if match is None:
        raise ReleaseError("lark_provider names no version. Next: write __version__ in its __init__.py.")
    return match[1]


def bill_of_materials(python: Path, parts: list[Vendored]) -> dict[str, Any]:
    """Return the CycloneDX document of an environment, with vendored parts, validated.

    Raises:
        ReleaseError: It is not what the schema wants.
    """
    tool = Path(sys.executable).with_name("cyclonedx-py")
    words: list[str | Path] = [
        "environment",
        python,
        "--output-format",
        "JSON",
        "--output-reproducible",
        "--spec-version",
        "1.6",
    ]
    bill: dict[str, Any] = json.loads(run([tool, *words]))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bill["components"] = [*bill["components"], *(_component(part) for part in parts)]
    ours = [component for component in bill["components"] if component["name"] in PROJECTS]
    for own in ours:  # the folder that they were installed from says nothing
        own.pop("externalReferences", None)
    bill["metadata"]["component"] = {
        "type": "application",
        "bom-ref": "release",
        "name": project["name"],
        "version": next(component["version"] for component in ours if component["name"] == project["name"]),
        "licenses": [{"license": {"id": project["license"]}}],
    }
    validate(bill)
    return bill


def _component(part: Vendored) -> Mapping[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"vendored/{part.file}",
        "name": part.name,
        "version": part.version,
        "licenses": [{"license": {"id": part.licence}}],
        "properties": [{"name": "vendored:file", "value": part.file}],
    }


def validate(bill: Mapping[str, Any]) -> None:
    """Check a document against the schema of CycloneDX 1.6.

    Raises:
        ReleaseError: It is not what the schema wants.
    """
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
    if problem is not None:
        raise ReleaseError(
            f"The bill of materials is invalid: {problem}. Next: correct {Path(__file__).name}."
        )


def run(words: Sequence[str | Path], cwd: Path = ROOT) -> str:
    """Run a command that has to succeed; return what it printed."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise ReleaseError(f"{words[0]} failed: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check the distributions that are to be released.")
    parser.add_argument("folder", type=Path, help="has a folder for each distribution")
    parser.add_argument("--build", action="store_true", help="empty the folder and build them first")
    options = parser.parse_args()
    try:
        main(options.folder, builds=options.build)
    except ReleaseError as error:
        sys.exit(f"release_check.py: {error}")
