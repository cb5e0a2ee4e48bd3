#!/usr/bin/env bash
# Builds the wheels and runs the tests that need no server against them, in an environment of their own.
#   scripts/test-wheels.sh AIRFLOW RESOLUTION
# AIRFLOW: a version, or `none`. RESOLUTION: `constraints` (Airflow's own, which it publishes for each release),
# `latest`, or `lowest` (each direct dependency at the floor that the metadata of the wheels names; what they need
# themselves, at its newest).
set -euo pipefail
cd "$(dirname "$0")/.."
airflow=${1:?usage: test-wheels.sh AIRFLOW RESOLUTION} resolution=${2:?usage: test-wheels.sh AIRFLOW RESOLUTION}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet build uv
"$work/tools/bin/pyproject-build" --wheel --outdir "$work/wheels" packages/lark-emulator >/dev/null
"$work/tools/bin/pyproject-build" --wheel --outdir "$work/wheels" . >/dev/null
product=$(echo "$work"/wheels/airflow_provider_lark-*.whl)
emulator=$(echo "$work"/wheels/lark_emulator-*.whl)

extras=emulator,gateway,sdk  # the SDK and what it needs are the oracle of some tests
options=(--quiet --compile-bytecode --python "$work/env/bin/python")
more=()
case $resolution in
  # uv's own `--resolution lowest-direct` does not look into wheels that are given by their path.
  lowest) mapfile -t more < <(python3 scripts/floors.py list "$extras") ;;
  latest) ;;
  constraints)
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    options+=(--constraint "https://raw.githubusercontent.com/apache/airflow/constraints-$airflow/constraints-$version.txt")
    ;;
  *) echo "test-wheels.sh: unknown resolution $resolution" >&2; exit 2 ;;
esac
wanted=$extras
if [ "$airflow" != none ]; then
  wanted+=,airflow
  more+=("apache-airflow==$airflow")
fi

"$work/tools/bin/uv" venv --quiet --python "$(command -v python3)" "$work/env"
"$work/tools/bin/uv" pip install "${options[@]}" "airflow-provider-lark[$wanted] @ file://$product" \
  "lark-emulator @ file://$emulator" "${more[@]}"
# What the tests need must not replace what is tested.
freeze() { "$work/tools/bin/uv" pip freeze --python "$work/env/bin/python" | grep '=='; }
freeze >"$work/installed.txt"
"$work/tools/bin/uv" pip install "${options[@]}" --constraint "$work/installed.txt" \
  pytest hypothesis jsonschema pandas pendulum pyyaml
freeze >"$work/all.txt"
moved=$(grep --line-regexp --fixed-strings --invert-match --file "$work/all.txt" "$work/installed.txt" || true)
[ -z "$moved" ] || { printf 'test-wheels.sh: the tests replaced\n%s\n' "$moved" >&2; exit 1; }
if [ "$resolution" = lowest ]; then "$work/env/bin/python" scripts/floors.py check "$extras"; fi

cp -r tests docs pyproject.toml conftest.py "$work/"
mkdir -p "$work/packages/lark-emulator"
cp -r packages/lark-emulator/tests "$work/packages/lark-emulator/"  # tests of cards share the answers of Lark in it
cd "$work"
"$work/env/bin/python" -c 'import sys, lark_provider; print(sys.version.split()[0], lark_provider.__file__)'
without=()
if [ "$resolution" = lowest ]; then  # lark-oapi, at its floor, takes wrong padding
  without=(--deselect tests/protocol/callbacks/test_proof.py::test_both_libraries_agree_on_what_cannot_be_opened)
fi
"$work/env/bin/python" -P -m pytest "${without[@]}" tests/protocol tests/api tests/client tests/engine ${PYTEST_ARGS:-}
if [ "$airflow" != none ]; then
  AIRFLOW_HOME="$work/home" "$work/env/bin/airflow" providers list | grep -q airflow-provider-lark
  AIRFLOW_HOME="$work/home" "$work/env/bin/lark-provider" demo
fi
