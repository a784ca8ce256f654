#!/usr/bin/env bash
# Make the environment: torch first and alone (unless it is there already), then everything else under constraints.
set -euo pipefail
venv=${VENV:-.venv}
python=${PYTHON:-python3}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
  "$venv/bin/python" -m pip install --quiet "$(grep '^torch==' constraints.txt)"
fi
grep -v '^torch==' constraints.txt > "$venv/constraints.txt"
"$venv/bin/python" -c 'import torch; print("torch==" + torch.__version__.split("+")[0])' >> "$venv/constraints.txt"
"$venv/bin/python" -m pip install --quiet --constraint "$venv/constraints.txt" --editable '.[dev]'
touch "$venv/.installed"
