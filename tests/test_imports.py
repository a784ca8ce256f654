"""Nothing heavy is loaded before it is needed; how long that takes is measured by benchmarks/startup.py."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "lightning", "sklearn", "pandas", "matplotlib", "numpy", "scipy", "rich")
MAIN = "from counterpoint.cli import main"

STARTS = {
    "import counterpoint": "import counterpoint; counterpoint.__version__; dir(counterpoint)",
    "counterpoint --help": f"{MAIN}; assert main(['--help']) == 0",
    "counterpoint fit --help": f"{MAIN}; assert main(['fit', '--help']) == 0",
    "counterpoint fit --epochz": f"{MAIN}; assert main(['fit', 'x', '--epochz', '3']) == 2",
}


@pytest.mark.parametrize("start", STARTS)
def test_nothing_heavy_is_loaded(start):
    ask = f"import json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]), file=sys.stderr)"
    code = f"{STARTS[start]}\n{ask}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stderr.splitlines()[-1])
    assert not loaded, f"{start!r} loads {', '.join(loaded)}; import inside the function that needs it"


def test_every_name_is_found_on_first_use():
    code = "import counterpoint as cp; print([getattr(cp, name) is not None for name in cp.__all__])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" not in done.stdout
