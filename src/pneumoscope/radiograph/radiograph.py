"""The decoded radiograph."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DecodingNote:
    """Remark about the decoding of a file: what was ignored, repaired or assumed, and why.

    Parameters
    ----------
    code
        Code of the remark, stable, for programs.
    message
        Remark in words.
    doubtful
        Whether the pixels may be wrong all the same, so that no probability must be given.
    """

    code: str
    message: str
    doubtful: bool = False


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
    modality, view, laterality, body_part
        DICOM codes such as ``DX``, ``PA``, ``U`` and ``CHEST``; None where absent.
    orientation
        Patient Orientation (PS3.3, C.7.6.1.1.1): the directions in the patient's body of the rows
        and of the columns, such as ``("L", "F")``; None where absent.
    age
        Age of the patient in years at the time of the study; None where unknown.
    sex
        Patient's Sex, such as ``F``; None where absent.
    rendering
        How grey values were made of the stored values, in words.
    notes
        Remarks about the decoding.
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
    modality: str | None = None
    view: str | None = None
    laterality: str | None = None
    body_part: str | None = None
    orientation: tuple[str, str] | None = None
    age: float | None = None
    sex: str | None = None
    rendering: str = ""
    notes: tuple[DecodingNote, ...] = ()
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
