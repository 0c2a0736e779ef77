"""Duration and peak memory of a command, written to a JSON file: REPORT COMMAND [ARGUMENT ...].

This is a small process of its own, because on Linux a child's peak memory is never reported lower
than the memory of the process that started it.
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
    usage_json = {"seconds": seconds, "peak_mb": round(usage.ru_maxrss * 1024 / 1e6)}
    Path(report).write_text(json.dumps(usage_json))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
