"""`python -m website` builds the site in build/docs, or in the folder that is named."""

from __future__ import annotations

import sys
from pathlib import Path

from website.building import build
from website.layout import ROOT, SiteError


def main(arguments: list[str]) -> int:
    """Build the site, and say where it is or what is wrong."""
    try:
        site = build(Path(arguments[0]) if arguments else ROOT / "build" / "docs")
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The site is in {site}. To read it: {sys.executable} -m http.server -b 127.0.0.1 -d {site} 8000")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
