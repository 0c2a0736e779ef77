"""Reader: an open bundle that turns radiographs into readings."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pneumoscope.lungs import LungField
from pneumoscope.lungs.heatmap import place_heatmap
from pneumoscope.radiograph import DecodingNote, prepare_pixels
from pneumoscope.radiograph.body import body_mask
from pneumoscope.reader.bundle import FAMILIARITY, GATE, GRAPH, Bundle, BundleRecord
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.reader.input_statistics import describe_input
from pneumoscope.reader.population import OTHER_IMAGE_CODES
from pneumoscope.reader.quality_gate import QualityFinding, QualityGate, Severity
from pneumoscope.reader.reading import (
    Reading,
    Status,
    describe_finding,
    finding_at,
    is_low_confidence,
)
from pneumoscope.reader.readings import Readings, read_all
from pneumoscope.reader.source import DecodedSource, Source, decode_source
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.host import usable_cores
from pneumoscope.support.parallel import map_in_order

BATCH_SIZE = 4
"""Number of radiographs that a thread reads at a time."""

_MIN_FAMILIARITY_LIMIT = 1e-9
"""Smallest divisor of a distance; a limit of 0, for which nothing is familiar, is allowed."""


@dataclass(frozen=True)
class NetworkOutput:
    """Output of the network for a batch of images."""

    logits: NDArray[np.float32]
    """Uncalibrated log-odds of pneumonia, float32, shape (n,)."""
    heatmaps: NDArray[np.float32]
    """Log-odds that each place adds, float32, shape (n, rows, columns)."""
    features: NDArray[np.float32]
    """Feature vectors, float32, shape (n, features)."""


class Reader:
    """Reader of radiographs with a bundle.

    Parameters
    ----------
    bundle
        Bundle to read with.
    threads
        Number of threads for many radiographs; by default the number of usable cores.
    abstain
        Whether to give no finding, but ``uncertain``, within an operating point's uncertain band.

    Examples
    --------
    >>> from pneumoscope.reader import load
    >>> reader = load("adults")
    >>> reading = reader.read(np.full((300, 300), 90, np.uint8))
    >>> reading.status.value, [finding.code for finding in reading.quality]
    ('rejected', ['blank', 'lungs_not_found'])
    """

    def __init__(
        self, bundle: Bundle, threads: int | None = None, *, abstain: bool = False
    ) -> None:
        self.bundle = bundle
        self.threads = threads or usable_cores()
        self.abstain = abstain
        # One thread for the graph: more gain a tenth for one radiograph, and wait for each other
        # for many; threads with batches of their own do not.
        self._session = open_graph(bundle.contents[GRAPH], threads=1)
        self.preparation = bundle.preparation
        self._gate = QualityGate.from_bytes(bundle.contents[GATE])
        self._familiarity = FeatureFamiliarity.from_bytes(bundle.contents[FAMILIARITY])

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """Bundles that may read a radiograph: the one."""
        return (self.bundle,)

    @property
    def min_side(self) -> int:
        """Smallest side, in pixels, to which a JPEG may be reduced while it is decoded."""
        return self.preparation.min_side

    def bundle_of(self, reading: Reading) -> Bundle:
        """Return the bundle that made a reading."""
        return self.bundle

    def read(self, source: Source) -> Reading:
        """Read one radiograph; the status is failed if it cannot be decoded.

        Parameters
        ----------
        source
            Path of a file; its bytes; the file opened in binary mode, read from where it stands;
            grey values as an array or tensor of shape (height, width), 0 = black, uint8, uint16 or
            floats in [0, 1]; Pillow image of 8 bits; pydicom Dataset; decoded `Radiograph`.
            Anything else is failed, with the reason.
        """
        return self._read_batch([source])[0]

    def read_many(self, sources: Iterable[Source]) -> Iterator[Reading]:
        """Read radiographs in order, on all threads; memory does not grow with their number.

        Sources are those of `read`, and taken as they are needed.
        """
        return read_in_batches(self._read_batch, sources, self.threads)

    def read_all(self, sources: Iterable[Source]) -> Readings:
        """Read radiographs as `read_many` does, and keep their readings: ``to_frame()``."""
        return read_all(self.read_many, sources, self.bundles)

    def prepare(
        self, source: DecodedSource, refusal: QualityFinding | None = None
    ) -> "PreparedSource":
        """Pass a radiograph through the quality gate, and prepare its pixels unless rejected.

        Parameters
        ----------
        source
            Decoded source.
        refusal
            Finding about the patient's age that replaces the bundle's own.
        """
        start = time.perf_counter()
        radiograph = source.radiograph
        if isinstance(radiograph, UnreadableRadiographError):
            reason = QualityFinding(radiograph.code, Severity.REJECT, str(radiograph))
            failed = Reading(
                Status.FAILED, self.bundle.identity, (reason.message,), quality=(reason,)
            )
            return PreparedSource(failed, None, source.seconds)
        contract = self.bundle.record.input
        outside = tuple(self.bundle.record.population.findings(radiograph, refusal))
        is_chest = OTHER_IMAGE_CODES.isdisjoint(finding.code for finding in outside)
        pixels = self.preparation.squeeze(radiograph.pixels)
        field = self.preparation.find_lungs(pixels)
        quality = (
            *map(_decoding_finding, radiograph.notes),
            *outside,
            *self._gate.assess(radiograph.pixels, radiograph.colourfulness, is_chest),
            *_lung_findings(field),
        )
        whole = prepare_pixels(pixels, contract.size, contract.resampling)
        reading = Reading(
            _status(quality),
            self.bundle.identity,
            _reasons(quality),
            quality=quality,
            sha256=radiograph.sha256,
            view=radiograph.view,
            laterality=radiograph.laterality,
            inputs=describe_input(whole, radiograph.width, radiograph.height),
            lungs=field,
            square=whole,
        )
        rejected = reading.status is Status.REJECTED
        square = whole if field is None else self.preparation.square(pixels, field)
        seconds = source.seconds + time.perf_counter() - start
        return PreparedSource(reading, None if rejected else square, seconds)

    def read_prepared(self, batch: Sequence["PreparedSource"]) -> list[Reading]:
        """Run the network on prepared sources as one batch, and complete their readings."""
        start = time.perf_counter()
        accepted = [prepared.pixels for prepared in batch if prepared.pixels is not None]
        output = run_graph(self._session, np.stack(accepted)) if accepted else None
        rows = iter(range(len(accepted)))
        readings = [
            prepared.reading
            if output is None or prepared.pixels is None
            else self._complete(prepared.reading, prepared.pixels, output, next(rows))
            for prepared in batch
        ]
        seconds = (time.perf_counter() - start) / max(1, len(accepted))
        return [
            replace(
                reading,
                milliseconds=1000
                * (prepared.seconds + (0 if prepared.pixels is None else seconds)),
            )
            for prepared, reading in zip(batch, readings, strict=True)
        ]

    def run(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        """Run the network on prepared pixels, without the quality gate.

        For measurements of the network on images that the gate would reject; not for reading.

        Parameters
        ----------
        pixels
            Prepared pixels for the bundle's input (see `Preparation.square`), uint8, shape
            (n, size, size).
        """
        return run_graph(self._session, pixels)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated probabilities of pneumonia of logits, shape (n,)."""
        calibration = self.bundle.record.calibration
        log_odds = logits.astype(np.float64) / calibration.temperature + calibration.intercept
        return 0.5 * (1 + np.tanh(0.5 * log_odds))

    def _read_batch(self, sources: Sequence[Source]) -> list[Reading]:
        # One source after another: only its prepared pixels are kept, not those of full size.
        return self.read_prepared(
            [self.prepare(decode_source(source, self.min_side)) for source in sources]
        )

    def _complete(
        self, reading: Reading, square: NDArray[np.uint8], output: NetworkOutput, row: int
    ) -> Reading:
        """Return the reading with the network's output for one image."""
        record = self.bundle.record
        # One image at a time: for several, NumPy would start threads of its own, which then spin
        # for milliseconds on the cores that the other batches need.
        features = output.features[row : row + 1]
        probability = float(self.probabilities(output.logits[row : row + 1])[0])
        distance = float(self._familiarity.distance(features)[0])
        score = self._familiarity.outsider_score(features)
        quality = (
            *reading.quality,
            *_familiarity_findings(record, distance, None if score is None else float(score[0])),
        )
        status = _status(quality)
        reading = replace(
            reading,
            status=status,
            reasons=_reasons(quality),
            quality=quality,
            distance=distance / max(record.familiarity_limit, _MIN_FAMILIARITY_LIMIT),
        )
        if status is Status.OUTSIDE:
            return replace(reading, probability_outside=probability)
        points = record.operating_points
        findings = {
            name: finding_at(probability, point, abstain=self.abstain)
            for name, point in points.items()
        }
        low_confidence = frozenset(
            name for name, point in points.items() if is_low_confidence(probability, point)
        )
        # Those of all images say too much of flagged ones.
        words = {
            name: describe_finding(finding, low_confidence=name in low_confidence)
            for name, finding in findings.items()
            if status is Status.READ
        }
        return replace(
            reading,
            probability=probability,
            findings=findings,
            low_confidence=low_confidence,
            likelihood_ratios={
                name: points[name].likelihood_ratios[text]
                for name, text in words.items()
                if text in points[name].likelihood_ratios
            },
            heatmap=self.heatmap(output.heatmaps[row], reading.lungs, square),
        )

    def heatmap(
        self, heatmap: NDArray[np.float32], field: LungField | None, square: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Return the calibrated heat map of the whole radiograph, as `Reading.heatmap` is.

        Parameters
        ----------
        heatmap
            Heat map of the network's square, float32, shape (rows, columns).
        field
            Lung field that the square was framed with; None for the whole image.
        square
            The network's input, uint8, shape (size, size).
        """
        if field is None:
            placed = heatmap * body_mask(square, *heatmap.shape)
        else:
            placed = place_heatmap(heatmap, field)
        calibrated: NDArray[np.float32] = placed / np.float32(
            self.bundle.record.calibration.temperature
        )
        return calibrated


@dataclass(frozen=True)
class PreparedSource:
    """A radiograph before the network: its reading so far, and its pixels unless rejected."""

    reading: Reading
    pixels: NDArray[np.uint8] | None
    seconds: float


def open_graph(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Open the content of an ONNX file for the CPU, each run on a number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run_graph(session: onnxruntime.InferenceSession, pixels: NDArray[np.uint8]) -> NetworkOutput:
    """Run a graph on prepared pixels, uint8, shape (n, size, size)."""
    return NetworkOutput(*session.run(["logit", "heatmap", "features"], {"pixels": pixels}))


def _decoding_finding(note: DecodingNote) -> QualityFinding:
    severity = Severity.OUTSIDE if note.doubtful else Severity.FLAG
    return QualityFinding(note.code, severity, note.message)


def _lung_findings(field: LungField | None) -> Iterator[QualityFinding]:
    """Yield whether lungs that are needed were not found."""
    if field is not None and not field.found:
        yield QualityFinding(
            "lungs_not_found",
            Severity.REJECT,
            "both lungs were not found with confidence; check that it is a frontal chest "
            "radiograph that shows both lungs, and judge it without the software",
        )


def _familiarity_findings(
    record: BundleRecord, distance: float, outsider_score: float | None
) -> Iterator[QualityFinding]:
    """Yield whether an image is unfamiliar, and whether too much so for an answer."""
    refusal = record.refusal
    score_limit = None if refusal is None else refusal.outsider_score
    if outsider_score is not None and score_limit is not None and outsider_score > score_limit:
        yield QualityFinding(
            "other_population",
            Severity.OUTSIDE,
            f"unlike the radiographs of {record.population.describe_ages()} that the network was "
            "trained on: it resembles those of other patients, or of another hospital. Check the "
            "patient's age, and judge it without the software",
        )
    if refusal is not None and distance > refusal.distance:
        yield QualityFinding(
            "unfamiliar",
            Severity.OUTSIDE,
            "too unlike the radiographs that the network was trained on: judge it without the "
            "software",
        )
    elif distance > record.familiarity_limit:
        yield QualityFinding(
            "unfamiliar",
            Severity.FLAG,
            "do not rely on the software here: the image is unlike the radiographs that its "
            "network was trained on",
        )


def _status(quality: Sequence[QualityFinding]) -> Status:
    severities = {finding.severity for finding in quality}
    for severity, status in _STATUSES.items():
        if severity in severities:
            return status
    return Status.READ


def _reasons(quality: Sequence[QualityFinding]) -> tuple[str, ...]:
    """Return the messages of the findings that decide the status."""
    status = _status(quality)
    decisive = (
        finding
        for finding in quality
        if status is Status.FLAGGED or _STATUSES[finding.severity] is status
    )
    return tuple(finding.message for finding in decisive)


_STATUSES = {
    Severity.REJECT: Status.REJECTED,
    Severity.OUTSIDE: Status.OUTSIDE,
    Severity.FLAG: Status.FLAGGED,
}
"""Status by the gravest severity of the findings."""


def read_in_batches(
    read_batch: Callable[[Sequence[Source]], list[Reading]],
    sources: Iterable[Source],
    threads: int,
) -> Iterator[Reading]:
    """Read sources in order, a batch at a time on each thread."""
    for readings in map_in_order(read_batch, _batches(sources), threads, ahead=2 * threads):
        yield from readings


def _batches(sources: Iterable[Source]) -> Iterator[list[Source]]:
    remaining = iter(sources)
    while batch := list(islice(remaining, BATCH_SIZE)):
        yield batch
