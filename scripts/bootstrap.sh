#!/usr/bin/env bash
# Makes the development environment in $VENV from $LOCK: everything pinned, bytecode compiled (Airflow
# starts in half the time with it), nothing taken from the machine but Python itself.
set -euo pipefail

fail() { printf 'make: %s\n' "$*" >&2; exit 1; }

find_python() {
  for candidate in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null &&
       "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$candidate"; return
    fi
  done
  fail "no Python 3.11 or later found. Install one (Debian, Ubuntu: apt-get install python3 python3-venv)" \
       "or name it: make PYTHON=/path/to/python3.12 …"
}

make_venv() {
  "$1" -m venv "$VENV" >/dev/null 2>&1 && return
  # Debian and Ubuntu keep venv in a package of its own.
  rm -rf "$VENV"
  local package; package=$("$1" -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf 'make: installing %s, which %s -m venv needs\n' "$package" "$1"
    if apt-get update -qq && apt-get install -y -qq "$package" >/dev/null && "$1" -m venv "$VENV"; then
      return
    fi
  fi
  fail "$1 cannot make a virtual environment. Install it first: sudo apt-get install $package"
}

if [ ! -x "$VENV/bin/python" ] || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
  python=$(find_python) || exit 1
  printf 'make: environment in %s with %s\n' "$VENV" "$("$python" --version)"
  rm -rf "$VENV"
  make_venv "$python"
fi

started=$SECONDS
count=$(grep -c '==' "$LOCK")
printf 'make: installing %s pinned packages (some minutes the first time) …\n' "$count"
# pip alone, so that its configuration holds for everything: index, certificates, proxy, cache. The lock is
# complete and hashed, so nothing is left to resolve; --no-user, since --user fails in an environment of its own.
install() { "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-user --no-deps --compile "$@"; }
install --require-hashes --requirement "$LOCK"
for project in packages/*/ .; do
  [ ! -f "$project/pyproject.toml" ] || PIP_REQUIRE_HASHES=0 install --no-build-isolation --editable "$project"
done  # a folder has no hash
"$VENV/bin/python" -m compileall -q lark_provider packages  # what is installed as a folder is not compiled otherwise
printf 'make: environment ready after %s s\n' "$((SECONDS - started))"
