"""The session that turns radiographs into readings."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydicom import Dataset

from pneumoscope.radiograph import (
    Radiograph,
    decode_radiograph,
    prepare_pixels,
    preprocess,
    radiograph_from_array,
    radiograph_from_dataset,
    read_radiograph,
)
from pneumoscope.reader.bundle import FAMILIARITY, GATE, GRAPH, Bundle
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.reader.input_statistics import describe_input
from pneumoscope.reader.quality_gate import QualityFinding, QualityGate, Severity
from pneumoscope.reader.reading import Reading, Status, find
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.host import usable_cores
from pneumoscope.support.parallel import map_in_order

Source: TypeAlias = Path | str | bytes | NDArray[np.generic] | Dataset | Radiograph
"""A file by its path, the bytes of one, its pixels, or an opened DICOM object."""

BATCH = 4
"""Radiographs that a thread takes at a time when many are read."""

_LEAST_LIMIT = 1e-9
"""Of what is familiar: in a bundle whose limit is 0 nothing is, and that is no division."""

_LATERAL_VIEWS = {"LL", "RL", "LAT", "LATERAL", "LLD", "RLD"}
_CHEST = {"CHEST", "THORAX", "LUNG", "RIBS"}


@dataclass(frozen=True)
class NetworkOutput:
    """What the graph gives for some images.

    Parameters
    ----------
    logits
        float32, shape (n,).
    heatmaps
        float32, shape (n, rows, columns).
    features
        float32, shape (n, features).
    """

    logits: NDArray[np.float32]
    heatmaps: NDArray[np.float32]
    features: NDArray[np.float32]


class Reader:
    """A bundle at work.

    Parameters
    ----------
    bundle
        What to read with.
    threads
        That read when there are many radiographs; as many as cores may be used, unless given.

    Examples
    --------
    >>> import pneumoscope
    >>> reader = pneumoscope.load()  # doctest: +SKIP
    >>> reader.read("chest.jpeg").probability  # doctest: +SKIP
    0.97
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self.bundle = bundle
        self.threads = threads or usable_cores()
        # One thread for the graph: more gain a tenth on one radiograph, and on many they wait for
        # each other; threads with batches of their own do not.
        self._session = open_graph(bundle.contents[GRAPH], threads=1)
        self._gate = QualityGate.from_bytes(bundle.contents[GATE])
        self._familiarity = FeatureFamiliarity.from_bytes(bundle.contents[FAMILIARITY])

    def read(self, source: Source) -> Reading:
        """Read one radiograph.

        Parameters
        ----------
        source
            A path, the bytes of a file, a 2-D array (uint8, uint16, or floats in [0, 1]), a pydicom
            Dataset, or a decoded `Radiograph`.

        Returns
        -------
        Reading
            Always: what cannot be decoded is a reading with the status failed.
        """
        return self._read_batch([source])[0]

    def read_many(self, sources: Iterable[Source]) -> Iterator[Reading]:
        """Read radiographs in order, on all threads; memory does not grow with their number.

        Parameters
        ----------
        sources
            See `read`; taken as they are needed.

        Yields
        ------
        Reading
            One for each source, in order.
        """
        threads, batches = self.threads, _batches(sources)
        for readings in map_in_order(self._read_batch, batches, threads, ahead=2 * threads):
            yield from readings

    def run(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        """Pass prepared pixels through the network, unguarded: no gate looks at them.

        For measuring what the network does where the gate would stop it; not for reading.

        Parameters
        ----------
        pixels
            uint8, shape (n, size, size), as `prepare_pixels` makes them for the bundle's input.
        """
        return look_at(self._session, pixels)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated probabilities of pneumonia of what `run` gave."""
        calibration = self.bundle.record.calibration
        odds = logits.astype(np.float64) / calibration.temperature + calibration.intercept
        probabilities: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * odds))
        return probabilities

    def _read_batch(self, sources: Sequence[Source]) -> list[Reading]:
        return self._conclude([self._prepare(source) for source in sources])

    def _prepare(self, source: Source) -> "_Prepared":
        started = time.perf_counter()
        contract = self.bundle.record.input
        try:
            radiograph = _decode(source, preprocess.OVERSAMPLING * contract.size)
        except UnreadableRadiographError as error:
            failed = Reading(Status.FAILED, self.bundle.identity, (str(error),))
            return _Prepared(failed, None, time.perf_counter() - started)
        quality = (
            *_what_tags_say(radiograph),
            *self._gate.assess(radiograph.pixels, radiograph.colourfulness),
        )
        rejecting = [one.message for one in quality if one.severity is Severity.REJECT]
        reasons = rejecting or [one.message for one in quality]
        pixels = prepare_pixels(radiograph.pixels, contract.size, contract.resampling)
        reading = Reading(
            Status.REJECTED if rejecting else Status.FLAGGED if quality else Status.READ,
            self.bundle.identity,
            tuple(reasons),
            quality=quality,
            sha256=radiograph.sha256,
            view=radiograph.view,
            laterality=radiograph.laterality,
            inputs=describe_input(pixels, radiograph.width, radiograph.height),
        )
        return _Prepared(reading, None if rejecting else pixels, time.perf_counter() - started)

    def _conclude(self, batch: Sequence["_Prepared"]) -> list[Reading]:
        """Pass those that may be read through the network."""
        started = time.perf_counter()
        readings = {i: one.reading for i, one in enumerate(batch)}
        wanted = [i for i, one in enumerate(batch) if one.pixels is not None]
        if wanted:
            run = look_at(
                self._session, np.stack([one.pixels for one in batch if one.pixels is not None])
            )
            for row, i in enumerate(wanted):
                readings[i] = self._judge(readings[i], run, row)
        share = (time.perf_counter() - started) / max(1, len(wanted))
        return [
            replace(
                readings[i],
                milliseconds=1000 * (one.seconds + (share if one.pixels is not None else 0)),
            )
            for i, one in enumerate(batch)
        ]

    def _judge(self, reading: Reading, run: NetworkOutput, row: int) -> Reading:
        record = self.bundle.record
        # One by one: for several NumPy would wake threads of its own, which afterwards wait busily
        # for milliseconds, on the cores that the other batches want.
        distance = float(self._familiarity.distance(run.features[row : row + 1])[0])
        probability = float(self.probabilities(run.logits[row : row + 1])[0])
        quality, status = reading.quality, reading.status
        if distance > record.familiarity_limit:
            status = Status.FLAGGED
            quality = (*quality, _unfamiliar(distance, record.familiarity_limit))
        return replace(
            reading,
            status=status,
            reasons=tuple(one.message for one in quality),
            quality=quality,
            probability=probability,
            distance=distance / max(record.familiarity_limit, _LEAST_LIMIT),
            findings={
                name: find(probability, point) for name, point in record.operating_points.items()
            },
            heatmap=run.heatmaps[row] / np.float32(record.calibration.temperature),
        )


@dataclass(frozen=True)
class _Prepared:
    """A radiograph before the network: what is known of it, and its pixels if it may be read."""

    reading: Reading
    pixels: NDArray[np.uint8] | None
    seconds: float


def open_graph(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Open an exported graph for the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def look_at(session: onnxruntime.InferenceSession, pixels: NDArray[np.uint8]) -> NetworkOutput:
    """Pass prepared pixels (n, size, size) through a graph."""
    return NetworkOutput(*session.run(["logit", "heatmap", "features"], {"pixels": pixels}))


def _decode(source: Source, min_side: int) -> Radiograph:
    match source:
        case Radiograph():
            return source
        case bytes():
            return decode_radiograph(source, "the bytes given", min_side)
        case Dataset():
            return radiograph_from_dataset(source, "the DICOM object given")
        case np.ndarray():
            return radiograph_from_array(source, "the array given")
        case _:
            return read_radiograph(Path(source), min_side)


def _what_tags_say(radiograph: Radiograph) -> Iterator[QualityFinding]:
    if radiograph.view in _LATERAL_VIEWS:
        yield QualityFinding(
            "lateral",
            Severity.REJECT,
            f"the DICOM file calls it a lateral view ({radiograph.view}); only frontal views can "
            "be read",
        )
    if radiograph.body_part and radiograph.body_part not in _CHEST:
        yield QualityFinding(
            "body_part",
            Severity.REJECT,
            f"the DICOM file says it shows another part of the body ({radiograph.body_part}); only "
            "chests can be read",
        )


def _unfamiliar(distance: float, limit: float) -> QualityFinding:
    return QualityFinding(
        "unfamiliar",
        Severity.FLAG,
        f"unlike the radiographs that the network learned from (distance {distance:.2f}, usual up "
        f"to {limit:.2f}): its probability was never measured on such images",
    )


def _batches(sources: Iterable[Source]) -> Iterator[list[Source]]:
    remaining = iter(sources)
    while batch := list(islice(remaining, BATCH)):
        yield batch
