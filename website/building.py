"""Build the site: one run of Zensical for each language, then a check of everything that came out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from website import checking, navigation, reference, staging
from website.layout import CODES, LANGUAGES, REPOSITORY, SITE, Language, SiteError

HERE = Path(__file__).parent
_NAME = "airflow-provider-lark"


def build(folder: Path) -> Path:
    """Build the site in a folder.

    Args:
        folder: Replaced by what is built.

    Returns:
        The folder to serve, with one folder for each language in it.

    Raises:
        SiteError: A page, a link or an anchor is wrong; or the folder holds something else than a site.
    """
    if folder.is_dir() and (others := {path.name for path in folder.iterdir()} - {"site", *CODES}):
        raise SiteError(
            f"{folder} must be a folder for the site alone, got one that holds {min(others)}. Next: name "
            "another one."
        )
    shutil.rmtree(folder, ignore_errors=True)
    site = folder / "site"
    pages = {
        language.code: staging.stage(
            language.code, folder / language.code / "docs", reference.make_pages(language)
        )
        for language in LANGUAGES
    }
    for language in LANGUAGES:
        work = folder / language.code
        (work / "zensical.toml").write_text(_config(language, pages), "utf-8")
        shutil.copytree(HERE / "theme", work / "theme")
        shutil.copytree(HERE / "assets", work / "docs" / "assets")
        _zensical(work)
        shutil.move(work / "site", site / language.code)
    shutil.copy(HERE / "start.html", site / "index.html")
    (site / ".nojekyll").touch()
    if wrong := checking.wrong(site):
        raise SiteError("\n".join([*wrong, "Next: correct these links."]))
    return site


def _zensical(work: Path) -> None:
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(work / "zensical.toml")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    if done.returncode or not (work / "site").is_dir():
        said = (done.stdout + done.stderr).partition("Traceback")[0]
        raise SiteError(f"{said}Next: correct the pages that Zensical names.")


def _config(language: Language, pages: dict[str, dict[str, str]]) -> str:
    shared = (HERE / "zensical.toml").read_text("utf-8")
    own = {
        "site_name": _NAME,
        "site_url": f"{SITE}/{language.code}/",
        "repo_url": REPOSITORY,
        "nav": navigation.menu(language, pages[language.code]),
        "extra.languages": [
            {
                "name": edition.name,
                "lang": edition.locale,
                "code": edition.code,
                "pages": [name.removesuffix(".md") + ".html" for name in pages[edition.code]],
            }
            for edition in LANGUAGES
        ],
        "extra.homepage": "index.html",
        "theme.language": language.locale,
    }
    return "\n".join(["[project]", *(f"{key} = {_toml(value)}" for key, value in own.items()), shared])


def _toml(value: Any) -> str:
    """Write lists and tables of strings in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml(key)} = {_toml(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
