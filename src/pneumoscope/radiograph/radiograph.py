"""The decoded radiograph."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Radiograph:
    """A decoded radiograph with what its file says about it.

    Parameters
    ----------
    pixels
        float32, shape (height, width), range [0, 1], 0 = black.
    sha256
        SHA-256 of the file's bytes, in hexadecimal.
    patient
        Pseudonym of the patient that the file names (DICOM's Patient ID, hashed), or None.
    synthetic
        Whether the file says that it was generated and shows no patient.
    view, laterality, body_part
        DICOM codes such as ``PA``, ``U`` and ``CHEST``; None where absent.
    colourfulness
        Mean difference between the largest and the smallest colour channel, range [0, 1].

    Examples
    --------
    >>> Radiograph(np.zeros((2, 3), np.float32), sha256="").width
    3
    """

    pixels: NDArray[np.float32]
    sha256: str
    patient: str | None = None
    synthetic: bool = False
    view: str | None = None
    laterality: str | None = None
    body_part: str | None = None
    colourfulness: float = 0.0

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    def pixel_hash(self) -> str:
        """Return the SHA-256 of size and pixels, equal for files that decode to the same image."""
        digest = hashlib.sha256(f"{self.height}x{self.width}".encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        return digest.hexdigest()
