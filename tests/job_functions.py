"""Jobs for the tests of engines: importable by name in a worker."""

import os
import signal
import time
from pathlib import Path
from typing import Any


def describe(job: str) -> dict[str, Any]:
    import torch

    return {"job": Path(job).name, "pid": os.getpid(), "threads": torch.get_num_threads()}


def fail_on_bad(job: str) -> dict[str, Any]:
    if "bad" in job:
        raise ValueError(f"{Path(job).name} is bad")
    return describe(job)


def die_once(job: str) -> dict[str, Any]:
    """Killed the first time, if the job's name says so; every time, if it says `always`."""
    mark = Path(f"{job}.started")
    before = mark.exists()
    mark.write_text("x")
    if "always" in job or ("once" in job and not before):
        os.kill(os.getpid(), signal.SIGKILL)
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
