#!/usr/bin/env bash
# Look up every installed version in the advisory databases. pip-audit gets an environment of its own, so that it is
# not among what it looks at. A package that no database could be asked about is a failure, not a pass (--strict).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
python=${PYTHON:-python3}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$python" -m venv "$made/venv"
"$made/venv/bin/python" -m pip install --quiet --disable-pip-version-check pip-audit
# Advisories know releases, not builds: torch 2.13.0+cpu is looked up as 2.13.0.
"$venv/bin/python" -m pip freeze --exclude-editable | sed -E 's/\+[A-Za-z0-9.]+$//; s/ @ .*//' > "$made/installed.txt"
echo "$(wc -l < "$made/installed.txt") packages"
failed=0
for service in pypi osv; do
  echo "== $service"
  "$made/venv/bin/pip-audit" --strict --progress-spinner off --vulnerability-service "$service" \
    --no-deps --disable-pip --requirement "$made/installed.txt" 2> "$made/$service.log" && continue
  failed=1
  tail -n 3 "$made/$service.log"
done
exit $failed
