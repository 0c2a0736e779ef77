"""Differential fuzzing of DICOM decoding against DCMTK and GDCM, on valid random headers.

Objects have random bits, signs, photometric interpretation, rescaling, modality and VOI LUTs,
windows and padding. Stored values are compared with GDCM's; grey values with those of DCMTK, told
which window or table was used. Which one that may be is decided on DCMTK's picture. Each difference
is a violation, and is kept, unless the header has one of the two things that DCMTK is known to
treat otherwise; those are counted by their explanation.
"""

import argparse
import io
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gdcm
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.radiograph.greyscale import MAX_CLIPPED_SHARE, Rendering, render
from pneumoscope.radiograph.lookup_table import LookupTable
from pneumoscope.radiograph.stored_values import StoredValues, decode_stored_values
from pneumoscope.radiograph.window import VoiFunction, Window
from pneumoscope.support.files import write_bytes
from pneumoscope.support.terminal import track

N_OBJECTS, N_SMALLEST_OBJECTS = 2_000, 80
SIDES = (48, 64)

TOLERANCE = 1e-3
"""Largest difference of grey values in [0, 1] that is none."""

ROUNDED = "explained: DCMTK rounds rescaled values to whole numbers"
CONTRADICTION = "explained: MONOCHROME1 and IDENTITY contradict; no probability is given"
EXPLANATIONS = (ROUNDED, CONTRADICTION)

_DCMTK_WHITE = 65_535


@dataclass(frozen=True)
class Difference:
    """An object whose decoding differs."""

    kind: str
    content: bytes


def draw_object(rng: np.random.Generator) -> Dataset:
    """Return a computed radiograph with a valid random header."""
    bits = int(rng.choice([8, 10, 12, 14, 15, 16]))
    is_signed = bool(rng.random() < 0.3)
    allocated = 8 if bits == 8 else 16
    values = _draw_values(rng, bits, is_signed)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "CR"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = str(rng.choice(["MONOCHROME1", "MONOCHROME2"]))
    dataset.Rows, dataset.Columns = SIDES
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, bits, bits - 1
    dataset.PixelRepresentation = int(is_signed)
    kind = f"{'i' if is_signed else 'u'}{allocated // 8}"
    if rng.random() < 0.3:
        _add_padding(dataset, values, rng)
    dataset.PixelData = values.astype(f"<{kind}").tobytes()
    low, high = float(values.min()), float(values.max())
    if rng.random() < 0.2:
        low, high = _add_modality_table(dataset, int(low), int(high), rng)
    elif rng.random() < 0.4:
        slope = float(rng.choice([0.5, 1, 2, -1]))
        intercept = float(rng.choice([-1024, 0, 100]))
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        low, high = sorted((low * slope + intercept, high * slope + intercept))
    if rng.random() < 0.3:
        _add_voi_table(dataset, low, high, rng)
    if rng.random() < 0.7:
        _add_windows(dataset, low, high, rng)
    if rng.random() < 0.2:
        dataset.PresentationLUTShape = str(rng.choice(["IDENTITY", "INVERSE"]))
    return dataset


def _draw_values(rng: np.random.Generator, bits: int, is_signed: bool) -> NDArray[np.int64]:
    rows, columns = np.mgrid[0 : SIDES[0], 0 : SIDES[1]]
    wave = np.sin(rows / rng.uniform(4, 20)) + np.cos(columns / rng.uniform(4, 20))
    share = (wave - wave.min()) / np.ptp(wave)
    low, high = np.sort(rng.integers(0, 2**bits, 2))
    values: NDArray[np.int64] = np.rint(low + share * max(high - low, 16)).astype(np.int64)
    values = values.clip(0, 2**bits - 1)
    return values - 2 ** (bits - 1) if is_signed else values


def _add_padding(dataset: Dataset, values: NDArray[np.int64], rng: np.random.Generator) -> None:
    bits = dataset.BitsStored
    lowest = -(2 ** (bits - 1)) if dataset.PixelRepresentation else 0
    value = int(rng.choice([lowest, lowest + 2**bits - 1]))
    values[: rng.integers(1, 20)] = value
    pattern = value & (2**dataset.BitsAllocated - 1)
    vr = str(rng.choice(["US", "SS"]))
    signed = pattern - 65_536 if pattern >= 32_768 else pattern
    dataset[0x00280120] = DataElement(0x00280120, vr, pattern if vr == "US" else signed)


def _descriptor(count: int, first: int, bits: int, rng: np.random.Generator) -> DataElement:
    vr = str(rng.choice(["US", "SS"]))
    pattern = first & 0xFFFF
    signed = pattern - 65_536 if pattern >= 32_768 else pattern
    return DataElement(0x00283002, vr, [count & 0xFFFF, pattern if vr == "US" else signed, bits])


def _table_item(low: int, high: int, rng: np.random.Generator) -> tuple[Dataset, int]:
    """Return the item of a table over a range of values, and its largest entry."""
    bits = int(rng.choice([8, 10, 12, 16]))
    count = max(2, high - low + 1)
    curve = np.linspace(0, 1, count) ** rng.uniform(0.5, 2)
    entries = np.rint(curve * (2**bits - 1)).astype("<u2")
    item = Dataset()
    item[0x00283002] = _descriptor(count, low, bits, rng)
    item[0x00283006] = DataElement(0x00283006, "OW", entries.tobytes())
    return item, 2**bits - 1


def _add_modality_table(
    dataset: Dataset, low: int, high: int, rng: np.random.Generator
) -> tuple[int, int]:
    item, largest = _table_item(low, high, rng)
    item.ModalityLUTType = "US"
    dataset.ModalityLUTSequence = [item]
    return 0, largest


def _add_voi_table(dataset: Dataset, low: float, high: float, rng: np.random.Generator) -> None:
    # PS3.3, C.11.2: the first value of a VOI LUT is a whole number of 16 bits.
    ends = (int(np.floor(low)), int(np.ceil(high)))
    if ends[0] >= -32_768 and ends[1] <= (32_767 if ends[0] < 0 else 65_535):
        dataset.VOILUTSequence = [_table_item(*ends, rng)[0]]


def _add_windows(dataset: Dataset, low: float, high: float, rng: np.random.Generator) -> None:
    count = int(rng.integers(1, 4))
    width = max(high - low, 4)
    dataset.WindowCenter = [round(low + width * rng.uniform(-0.5, 1.5), 1) for _ in range(count)]
    dataset.WindowWidth = [round(2 + width * rng.uniform(0.02, 4), 1) for _ in range(count)]
    dataset.VOILUTFunction = str(rng.choice(["LINEAR", "LINEAR", "SIGMOID"]))


def compare(content: bytes, folder: Path) -> str | None:
    """Return what differs from DCMTK and GDCM; None if nothing does."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    stored = decode_stored_values(dataset)
    path = folder / "object.dcm"
    path.write_bytes(content)
    if not np.array_equal(stored.values, _gdcm_values(path, stored)):
        return "stored values"
    rendering = render(stored, dataset)
    expected = _dcmtk_grey(path, _dcmtk_options(rendering)) * _scale(rendering)
    grey = rendering.grey()
    image = slice(None) if stored.padding is None else ~stored.padding
    difference = float(np.abs(grey - np.clip(expected, 0, 1))[image].max())
    if difference > _tolerance(rendering):
        return _explain(dataset, rendering, difference) or "grey values"
    if stored.padding is not None and grey[stored.padding].any():
        return "padding"
    return _compare_choice(path, dataset, stored, rendering)


def _tolerance(rendering: Rendering) -> float:
    """Return the tolerance; DCMTK divides a table's entries by 2**bits and not by the largest."""
    if isinstance(rendering.voi, LookupTable):
        return TOLERANCE + 1 / rendering.voi.white
    return TOLERANCE


def _explain(dataset: Dataset, rendering: Rendering, difference: float) -> str | None:
    if any(note.code == "photometric_contradiction" and note.doubtful for note in rendering.notes):
        return CONTRADICTION
    is_fraction = float(dataset.get("RescaleSlope") or 1) % 1
    limit = _tolerance(rendering) + _rounding(rendering)
    return ROUNDED if is_fraction and difference <= limit else None


def _rounding(rendering: Rendering) -> float:
    """Return the largest difference of grey values that rounding to whole numbers makes."""
    voi = rendering.voi
    if isinstance(voi, LookupTable):
        return float(np.abs(np.diff(voi.entries.astype(np.int64))).max() / voi.white)
    low, high = voi.edges
    return 0.5 / (high - low)


def _compare_choice(
    path: Path, dataset: Dataset, stored: StoredValues, rendering: Rendering
) -> str | None:
    """Return whether a table or window was ignored, or used, against the rule."""
    names = [f"+Wl {n + 1}" for n in range(len(dataset.get("VOILUTSequence") or ()))]
    names += [f"+Wi {n + 1}" for n in range(len(Window.all_of(dataset)))]
    used = _candidate_number(rendering, dataset)
    image = slice(None) if stored.padding is None else ~stored.padding
    values = stored.values[image]
    inside = (values > values.min()) & (values < values.max())
    for number, options in enumerate(names[: len(names) if used is None else used + 1]):
        grey = _dcmtk_grey(path, options.split())[image]
        clipped = ((grey < 0.001) | (grey > 0.999))[inside]
        clearly_clipped = clipped.size and clipped.mean() > MAX_CLIPPED_SHARE + 0.1
        if number == used and clearly_clipped:
            return "used although it clips"
        clearly_fits = np.ptp(grey) > 0.5 and clipped.size and clipped.mean() < 0.3
        if number != used and clearly_fits:
            return "ignored although it fits"
    return None


def _candidate_number(rendering: Rendering, dataset: Dataset) -> int | None:
    """Return which of the tables and windows, in this order, was used; None for neither."""
    tables = len(dataset.get("VOILUTSequence") or ())
    if isinstance(rendering.voi, LookupTable):
        return 0
    windows = Window.all_of(dataset)
    return tables + windows.index(rendering.voi) if rendering.voi in windows else None


def _dcmtk_options(rendering: Rendering) -> list[str]:
    """Return DCMTK's options for the window or table of a rendering."""
    if isinstance(rendering.voi, LookupTable):
        return ["+Wl", "1"]
    window = rendering.voi
    if window.function is VoiFunction.SIGMOID:
        return ["+Wfs", "+Ww", str(window.centre), str(window.width)]
    low, high = window.edges
    return ["+Wfl", "+Ww", str((low + high + 1) / 2), str(high - low + 1)]


def _scale(rendering: Rendering) -> float:
    """Return the ratio of our white to DCMTK's, which takes a table's stated bits as they are."""
    if isinstance(rendering.voi, LookupTable):
        return float((2**rendering.voi.bits - 1) / rendering.voi.white)
    return 1.0


def _dcmtk_grey(path: Path, options: Sequence[str]) -> NDArray[np.float64]:
    target = path.with_suffix(".pgm")
    command = ["dcmj2pnm", "+opw", *options, str(path), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return np.asarray(Image.open(target)).astype(np.float64) / _DCMTK_WHITE


def _gdcm_values(path: Path, stored: StoredValues) -> NDArray[np.integer]:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise ValueError("GDCM cannot read the object")
    buffer = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(buffer, stored.values.dtype).reshape(stored.values.shape)


def compare_all(count: int, seed: int) -> tuple[Counter[str], list[Difference]]:
    """Compare random objects; return the number of each outcome, and those that differ."""
    rng = np.random.default_rng(seed)
    outcomes: Counter[str] = Counter()
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in track(range(count), "Comparing", count):
            file = io.BytesIO()
            pydicom.dcmwrite(file, draw_object(rng), enforce_file_format=True)
            kind = compare(file.getvalue(), Path(folder))
            outcomes[kind or "equal"] += 1
            if kind is not None and kind not in EXPLANATIONS:
                differences.append(Difference(kind, file.getvalue()))
    return outcomes, differences


def main() -> None:
    """Run from the command line; the exit code is 1 if there are differences."""
    parser: argparse.ArgumentParser = option_parser(__doc__)
    parser.add_argument(
        "--objects", type=int, default=N_OBJECTS, help="number of objects (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of the objects (default: %(default)s)"
    )
    arguments = parser.parse_args()
    count = N_SMALLEST_OBJECTS if arguments.smallest else arguments.objects
    outcomes, differences = compare_all(count, arguments.seed)
    for number, difference in enumerate(differences):
        name = f"{number:03}-{difference.kind.replace(' ', '-')}.dcm"
        write_bytes(arguments.out / "dicom_differences" / name, difference.content)
    rows: list[Mapping[str, Cell]] = [
        {"outcome": outcome, "objects": n} for outcome, n in outcomes.most_common()
    ]
    note = f"Seed {arguments.seed}; grey values equal within {TOLERANCE:g} of the range."
    publish("dicom_differences", [Table(f"{count} objects", rows, note)], arguments.out)
    raise SystemExit(bool(differences))


if __name__ == "__main__":
    main()
