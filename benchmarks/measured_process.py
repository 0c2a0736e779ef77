"""Runs a command and writes what it took into a JSON file: REPORT COMMAND [ARGUMENT ...].

A process of its own, and a small one: Linux counts the memory of the process that starts another
as the other's peak, if that is the larger.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """Run from the command line; return the command's exit code."""
    report, *command = sys.argv[1:]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = round(time.perf_counter() - started, 2)
    process.returncode = os.waitstatus_to_exitcode(status)
    taken = {"seconds": seconds, "peak_mb": round(usage.ru_maxrss * 1024 / 1e6)}
    Path(report).write_text(json.dumps(taken))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
