"""Build both distributions and check what would be released: `python scripts/release_check.py dist`.

Metadata, contents, licences of vendored parts, an installation on each Python of this machine that the
package is made for, and a software bill of materials (CycloneDX) beside the wheels. `make release-check` also
runs the tests of what ships.
"""

from __future__ import annotations

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


def main(folder: Path) -> None:
    """Build and check everything.

    Args:
        folder: Where the distributions and the bill of materials go.

    Raises:
        ReleaseError: Something must not be released.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, project in PROJECTS.items():
        wheel, sdist = build(project, folder)
        check_metadata(wheel, name)
        check_contents(wheel)
        check_contents(sdist)
        print(f"✓ {wheel.name}, {sdist.name}: metadata and contents")
    parts = [part for project in PROJECTS.values() for part in list_vendored(project)]
    print(f"✓ licences of {len(parts)} vendored file(s)")
    wheels = sorted(folder.glob("*.whl"))
    with tempfile.TemporaryDirectory() as temporary:
        for python in pythons():
            interpreter = install(python, Path(temporary) / Path(python).name, wheels)
            print(f"✓ installed: {check_version(interpreter)}")
        bill = bill_of_materials(interpreter, parts)
    place = folder / "airflow-provider-lark.cdx.json"
    place.write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"✓ {place.name}: {len(bill['components'])} components")


def build(project: Path, folder: Path) -> tuple[Path, Path]:
    """Build the wheel and the source distribution of a project; return both."""
    folder = folder.resolve()  # the build runs in the project's folder
    script = (
        "import sys; from hatchling.build import build_sdist, build_wheel; "
        "print(build_wheel(sys.argv[1])); print(build_sdist(sys.argv[1]))"
    )
    wheel, sdist = run([sys.executable, "-c", script, folder], cwd=project).split()[-2:]
    return folder / wheel, folder / sdist


def list_names(distribution: Path) -> list[str]:
    """Return the names of the files of a wheel or of a source distribution."""
    if distribution.suffix == ".whl":
        with zipfile.ZipFile(distribution) as archive:
            return archive.namelist()
    with tarfile.open(distribution) as archive:
        return archive.getnames()


def check_metadata(wheel: Path, name: str) -> None:
    """Check a wheel's metadata by the rules of the index.

    Raises:
        ReleaseError: A rule is broken, or a link to pages of ours is not whole.
    """
    with zipfile.ZipFile(wheel) as archive:
        [place] = [member for member in archive.namelist() if member.endswith(".dist-info/METADATA")]
        raw, unknown = parse_email(archive.read(place))
    problems = [f"unknown field {field}" for field in unknown]
    try:
        problems += _metadata_problems(Metadata.from_raw(raw), name)
    except ExceptionGroup as group:
        problems += [str(error) for error in group.exceptions]
    if problems:
        raise ReleaseError(f"{wheel.name}: {'; '.join(problems)}. Next: correct pyproject.toml or README.md.")


def _metadata_problems(metadata: Metadata, name: str) -> Iterator[str]:
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
    wanted = re.search(
        r'__version__ = "([^"]+)"', (ROOT / "lark_provider" / "__init__.py").read_text("utf-8")
    )
    printed = [
        run([python.with_name(name), "--version"]).strip() for name in ("lark-provider", "lark-emulator")
    ]
    if wanted is None or any(not output.endswith(f" {wanted[1]}") for output in printed):
        raise ReleaseError(f"The installed versions are {printed}. Next: make the two __version__ agree.")
    return f"{', '.join(printed)} on {run([python, '--version']).strip()}"


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
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"))
    except ReleaseError as error:
        sys.exit(f"release_check.py: {error}")
