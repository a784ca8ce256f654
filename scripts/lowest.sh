#!/usr/bin/env bash
# The core of the tests with every direct dependency at the lowest version that pyproject.toml allows, and the tests
# of the extra `cca` with its own, in environments that are made for them and removed.
# Other tests, with the first: `scripts/lowest.sh FILE ...`. KEEP=folder keeps the environments for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON311:-python3.11}
made=${KEEP:-$(mktemp -d)}
[ -n "${KEEP:-}" ] || trap 'rm -rf "$made"' EXIT
mkdir -p "$made"

# make NAME OPTION ...: an environment with torch, then with what uv (pip takes minutes here) is told to install.
make() {
  local venv="$made/$1"
  shift
  [ ! -e "$venv/.installed" ] || return 0
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep '^torch==' constraints.txt)" uv
  "$venv/bin/python" -c 'import torch; print("torch==" + torch.__version__)' 2> /dev/null > "$venv/torch.txt"
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --constraint "$venv/torch.txt" "$@"
  touch "$venv/.installed"
}

# Old releases warn of what newer ones changed; here only what they do counts.
try() {
  "$made/$1/bin/python" -m pytest -n 2 -m 'not slow' -o filterwarnings= -W default --disable-warnings \
    -p no:cacheprovider "${@:2}"
}

extras=$("$python" - << 'PYTHON'
import tomllib
extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]
print(",".join(e for e in extras if e not in ("cca", "dev")))
PYTHON
)
make lowest --requirement constraints-lowest.txt --editable ".[$extras]"
if [ $# -gt 0 ]; then
  try lowest "$@"
  exit
fi
grep -E '^(beartype|hypothesis|jaxtyping|pytest|pytest-xdist)==' constraints-lowest.txt > "$made/tests.txt"
make cca --resolution lowest-direct --requirement "$made/tests.txt" --editable '.[cca]'
try cca tests/test_baselines.py
try lowest tests/test_imports.py tests/test_laws.py tests/test_references.py tests/test_likelihoods.py \
  tests/test_estimator.py tests/test_runs.py tests/test_cli.py tests/test_densities.py tests/test_tuning.py \
  tests/test_hub.py tests/data tests/evaluation tests/report tests/sweeps tests/training
