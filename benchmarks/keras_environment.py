"""The virtual environment in which the notebook's program runs."""

import subprocess
import sys
from pathlib import Path

from benchmarks.report import CHECKOUT
from pneumoscope.support.files import write_text
from pneumoscope.support.terminal import messages

REQUIREMENTS = CHECKOUT / "benchmarks" / "requirements-keras.txt"
FOLDER = CHECKOUT / "benchmarks" / ".keras-env"


def keras_python(folder: Path) -> Path:
    """Return the interpreter of the environment, which is made if it is not there or outdated.

    Parameters
    ----------
    folder
        Of the environment; 1.6 GB.

    Raises
    ------
    subprocess.CalledProcessError
        If pip cannot install it; what pip said went to standard error.
    """
    python = folder / "bin" / "python"
    installed = folder / "requirements.txt"
    wanted = REQUIREMENTS.read_text()
    if not installed.exists() or installed.read_text() != wanted:
        messages.print(f"Installing tensorflow-cpu into {folder}")
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True
        )
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        subprocess.run(
            [*pip, "install", "--quiet", "-r", str(REQUIREMENTS)], stdout=sys.stderr, check=True
        )
        write_text(installed, wanted)
    return python
