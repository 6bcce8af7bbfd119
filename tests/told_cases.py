"""Cases that a script of the tests tells in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path


def told_by(script):
    """Run a script of this folder. Return what it tells in lines of JSON, by case."""
    command = [sys.executable, Path(__file__).with_name(script)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return {line["case"]: line for line in lines}
