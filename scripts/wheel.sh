#!/usr/bin/env bash
# Build sdist and wheel (the wheel from the sdist) into dist/, install the wheel into an empty environment, and use it
# there, away from the sources: first with the core alone, then with the extra that makes pages.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
unset PYTHONPATH COUNTERPOINT_DATA

"$python" -m venv "$made/build"
"$made/build/bin/python" -m pip install --quiet --disable-pip-version-check build
rm -f dist/counterpoint-*
"$made/build/bin/python" -m build --outdir dist . > "$made/build.log" || { cat "$made/build.log"; exit 1; }
ls -l dist

"$python" -m venv "$made/venv"
pip=("$made/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" "$(grep '^torch==' constraints.txt)"
grep -v '^torch==' constraints.txt > "$made/constraints.txt"
"$made/venv/bin/python" -c 'import torch; print("torch==" + torch.__version__.split("+")[0])' >> "$made/constraints.txt"
wheel=$(ls "$root"/dist/counterpoint-*.whl)
"${pip[@]}" --constraint "$made/constraints.txt" "$wheel"

mkdir "$made/elsewhere"
cd "$made/elsewhere"
export PATH="$made/venv/bin:$PATH"
python -I "$root/scripts/installed.py" core "$root"
"${pip[@]}" --constraint "$made/constraints.txt" "$wheel[report]"
python -I "$root/scripts/installed.py" report "$root"
python -m pip check
