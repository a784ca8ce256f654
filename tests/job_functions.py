"""Jobs for the tests of engines: importable by name in a worker."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def describe(job: str) -> dict[str, Any]:
    import torch

    return {"job": Path(job).name, "pid": os.getpid(), "threads": torch.get_num_threads()}


def by_name(job: str) -> dict[str, Any]:
    """Do what the job's name says: `bad` raises, `leave` exits, `once` and `always` are killed."""
    name = Path(job).name
    if "bad" in name:
        raise ValueError(f"{name} is bad")
    if "leave" in name:
        sys.exit("enough")
    mark = Path(f"{job}.started")
    before = mark.exists()
    mark.write_text("x")
    if "always" in name or ("once" in name and not before):
        os.kill(os.getpid(), signal.SIGKILL)
    until = time.monotonic() + 50
    while "calm" in name and not (Path(job).parent / "last.started").exists():  # meanwhile other workers die
        assert time.monotonic() < until
        time.sleep(0.05)
    return describe(job)


def slow(job: str) -> dict[str, Any]:
    """Write what it held when it is interrupted."""
    Path(f"{job}.pid").write_text(str(os.getpid()))
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.3)  # a second Ctrl-C in the meantime must not hurt
        Path(f"{job}.held").write_text("x")
        raise
    return {}
