"""Image Pixel module: how an object says that its pixels are stored (PS3.3, C.7.6.3)."""

from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}
"""Samples of the photometric interpretations that can be read (PS3.3, C.7.6.3.1.2)."""


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """Attributes that describe the stored pixels, with defaults for those often left out.

    Parameters
    ----------
    rows, columns
        Height and width in pixels.
    samples
        Samples Per Pixel; 1, or 3 for a photometric interpretation in colours, where absent.
    photometric
        Photometric Interpretation.
    bits_allocated, bits_stored, high_bit
        Bits of a sample's container, bits of its value, and the highest of these.
    is_signed
        Whether Pixel Representation is two's complement; unsigned where absent.
    planar_configuration
        0 if the samples of a pixel lie together, 1 if those of a colour do.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    planar_configuration: int

    @classmethod
    def of(cls, dataset: Dataset) -> "PixelDescription":
        """Return the description of a DICOM object.

        Raises
        ------
        ValueError
            If Photometric Interpretation, Rows, Columns or Bits Allocated are missing, without
            which pixels cannot be known, or of a kind that cannot be read.
        """
        photometric = str(dataset.get("PhotometricInterpretation") or "").strip().upper()
        if not photometric:
            raise ValueError("no Photometric Interpretation, so that black may be white")
        if photometric not in _SAMPLES:
            raise ValueError(f"Photometric Interpretation {photometric}, neither grey nor RGB")
        allocated = _number(dataset, "BitsAllocated")
        stored = _number(dataset, "BitsStored", allocated)
        samples = _number(dataset, "SamplesPerPixel", _SAMPLES[photometric])
        if samples != _SAMPLES[photometric]:
            raise ValueError(f"{samples} samples per pixel, which do not fit {photometric}")
        if not 1 <= stored <= allocated:
            raise ValueError(f"{stored} bits stored in {allocated}")
        return cls(
            rows=_number(dataset, "Rows"),
            columns=_number(dataset, "Columns"),
            samples=samples,
            photometric=photometric,
            bits_allocated=allocated,
            bits_stored=stored,
            high_bit=_high_bit(dataset, allocated, stored),
            is_signed=bool(_number(dataset, "PixelRepresentation", 0)),
            planar_configuration=_number(dataset, "PlanarConfiguration", 0),
        )

    def decoding_options(self) -> dict[str, Any]:
        """Return the description as the options of pydicom's decoders."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "number_of_frames": 1,
            "samples_per_pixel": self.samples,
            "photometric_interpretation": self.photometric,
            "bits_allocated": self.bits_allocated,
            "bits_stored": self.bits_stored,
            "pixel_representation": int(self.is_signed),
            "planar_configuration": self.planar_configuration,
            "pixel_keyword": "PixelData",
        }


def _number(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None or value == "":
        if default is None:
            raise ValueError(f"no {keyword}")
        return default
    return int(value)


def _high_bit(dataset: Dataset, allocated: int, stored: int) -> int:
    """Return the High Bit; one below Bits Stored where it is absent or impossible."""
    high_bit = _number(dataset, "HighBit", stored - 1)
    return high_bit if stored - 1 <= high_bit < allocated else stored - 1
