import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import JPEGLSTransferSyntaxes

RunProgram = Callable[..., None]
DcmtkRenderer = Callable[..., NDArray[np.float64]]


@pytest.fixture(scope="session")
def run_program(require_program: Callable[[str], str]) -> RunProgram:
    """Return a function that runs a program of DCMTK or GDCM, or skips where it is absent."""

    def run(name: str, *arguments: object) -> None:
        command = [require_program(name), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    return run


@pytest.fixture
def dcmtk_render(run_program: RunProgram, tmp_path: Path) -> DcmtkRenderer:
    """Return a function by which DCMTK renders a DICOM file as grey values in [0, 1].

    Its options say where the grey values come from: ``+Wm`` the full range, ``+Wi N`` the window
    of this number, ``+Wl N`` the VOI LUT of this number.
    """

    def render(content: bytes, *options: str) -> NDArray[np.float64]:
        source, target = tmp_path / "rendered.dcm", tmp_path / "rendered.pgm"
        source.write_bytes(content)
        if pydicom.dcmread(source).file_meta.TransferSyntaxUID in JPEGLSTransferSyntaxes:
            run_program("dcmdjpls", source, source)
        run_program("dcmj2pnm", "+opw", "-O", *options, source, target)  # without overlays
        return np.asarray(Image.open(target)).astype(np.float64) / 65535

    return render
