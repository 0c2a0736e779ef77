"""Lookup tables of DICOM images: modality LUT and VOI LUT (PS3.3, C.11.1 and C.11.2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


@dataclass(frozen=True, eq=False)
class LookupTable:
    """Lookup table from values to entries.

    Parameters
    ----------
    first
        Value that is mapped to the first entry.
    entries
        Entries, uint16, shape (n,). Values below and above the table get the first and last.
    bits
        Bits of an entry, as the table states them.

    References
    ----------
    DICOM PS3.3, C.11.1.1.1 and C.11.2.1.1 (LUT Descriptor).

    Examples
    --------
    >>> table = LookupTable(first=100, entries=np.uint16([0, 512, 4095]), bits=12)
    >>> table.look_up(np.array([0, 101, 102, 900])).tolist()
    [0, 512, 4095, 4095]
    >>> table.apply(np.array([102]))
    array([1.], dtype=float32)
    """

    first: int
    entries: NDArray[np.uint16]
    bits: int

    @classmethod
    def of(cls, item: Dataset, little_endian: bool, is_signed: bool) -> "LookupTable":
        """Return the table of an item of Modality LUT Sequence or VOI LUT Sequence.

        Parameters
        ----------
        item
            Item with LUT Descriptor and LUT Data.
        little_endian
            Byte order of the object.
        is_signed
            Whether the values that are looked up may be negative. It decides how the first value
            mapped is read, since its value representation is often the wrong one.

        Raises
        ------
        ValueError
            If the table has fewer entries than its descriptor states.
        """
        count, first, bits = (int(number) for number in item.LUTDescriptor)
        count = (count & 0xFFFF) or 65_536
        first &= 0xFFFF
        if is_signed and first >= 32_768:
            first -= 65_536
        entries = _entries(item["LUTData"].value, count, little_endian)
        if entries.size < count:
            raise ValueError(f"a lookup table of {entries.size} entries, which states {count}")
        return cls(first, entries, bits)

    @property
    def white(self) -> int:
        """Entry that is shown as white: the largest of the bits that the table uses.

        These are the stated bits, unless the entries exceed them or reach less than half of their
        range: some devices state 16 bits for entries of 12.
        """
        largest = int(self.entries.max())
        stated = 2**self.bits - 1
        used: int = max(1, 2 ** largest.bit_length() - 1)
        return stated if stated / 2 < largest <= stated else used

    def look_up(self, values: NDArray[np.generic]) -> NDArray[np.uint16]:
        """Return the entries of values; fractions are rounded."""
        indices = np.rint(values).astype(np.int64) - self.first
        found: NDArray[np.uint16] = self.entries[np.clip(indices, 0, self.entries.size - 1)]
        return found

    def apply(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the grey values in [0, 1] of values."""
        grey: NDArray[np.float32] = self.look_up(values).astype(np.float32) / np.float32(self.white)
        return grey


def _entries(data: object, count: int, little_endian: bool) -> NDArray[np.uint16]:
    """Return LUT Data, which is bytes or numbers, and of 8 bits may lie two in a word."""
    order = "<" if little_endian else ">"
    if isinstance(data, bytes):
        if count <= len(data) < min(count + 2, 2 * count):  # bytes, padded to an even number
            return np.frombuffer(data, np.uint8)[:count].astype(np.uint16)
        words = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2").astype(np.uint16)
    else:
        numbers = list(data) if isinstance(data, MultiValue | list) else [data]
        words = (np.array(numbers, np.int64) & 0xFFFF).astype(np.uint16)
        if len(words) == (count + 1) // 2 < count:
            packed = words.astype(f"{order}u2").tobytes()
            return np.frombuffer(packed, np.uint8)[:count].astype(np.uint16)
    return words[:count]
