#!/usr/bin/env bash
# Checks the client for Python: format, types, tests with the real libraries within real runs, and that its wheel installs.
# Needs the programs (`cargo build --workspace --bins`), Python 3.11 or later, and a network for the first time.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/python-client
export TRAINPILOT_REQUIRE_ALL=1 TRAINPILOT_PROGRAMS=${TRAINPILOT_PROGRAMS:-$target/debug}
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1

if ! cmp -s "$here/tests/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/tests/requirements.txt"
  cp "$here/tests/requirements.txt" "$venv/requirements.txt"
fi

cd "$here"
"$venv/bin/ruff" check --no-cache .
"$venv/bin/ruff" format --no-cache --check .
"$venv/bin/mypy" --cache-dir "$venv/mypy"
"$venv/bin/python" -m pytest -q -p no:cacheprovider tests

# What is shipped: a wheel that an empty environment can use, and a source distribution that makes the same.
rm -rf "$venv/dist"
"$venv/bin/python" -m build -q --no-isolation --outdir "$venv/dist" .
rm -rf "$venv/empty"
python3 -m venv "$venv/empty"
"$venv/empty/bin/pip" install -q --disable-pip-version-check --no-index "$venv"/dist/*.whl
cd /
"$venv/empty/bin/python" -c 'import trainpilot; assert trainpilot.connect(learning_rate=0.1).step({"loss": 1.0}) == {"learning_rate": 0.1}'
ls "$venv/dist"
