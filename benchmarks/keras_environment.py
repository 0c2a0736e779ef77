"""Virtual environment of the Keras programs."""

import subprocess
import sys
from pathlib import Path

from benchmarks.report import CHECKOUT
from pneumoscope.support.files import write_text
from pneumoscope.support.terminal import messages

REQUIREMENTS = CHECKOUT / "benchmarks" / "requirements-keras.txt"
FOLDER = CHECKOUT / ".keras-env"


def keras_python(folder: Path) -> Path:
    """Return the environment's interpreter; create the environment if it is absent or outdated.

    Parameters
    ----------
    folder
        Folder of the environment; 1.6 GB.

    Raises
    ------
    subprocess.CalledProcessError
        If pip cannot install the packages; pip's messages go to standard error.
    """
    python = folder / "bin" / "python"
    installed = folder / "requirements.txt"
    requirements = REQUIREMENTS.read_text()
    if not installed.exists() or installed.read_text() != requirements:
        messages.print(f"Installing tensorflow-cpu into {folder}")
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True
        )
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        subprocess.run(
            [*pip, "install", "--quiet", "-r", str(REQUIREMENTS)], stdout=sys.stderr, check=True
        )
        write_text(installed, requirements)
    return python
