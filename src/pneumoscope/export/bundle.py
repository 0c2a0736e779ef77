"""Finished Runs in, a Bundle out: the graph, and everything fitted on validation data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import pneumoscope
from pneumoscope.dataset import Manifest, Split
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import require_both_classes
from pneumoscope.evaluation.statistics.roc import roc_auc
from pneumoscope.evaluation.statistics.temperature_scaling import (
    apply_temperature,
    fit_temperature,
    log_odds,
)
from pneumoscope.export.familiarity import fit_familiarity
from pneumoscope.export.measured import record_metrics, record_operating_points
from pneumoscope.export.onnx_graph import COMPARED, export_graph, require_agreement
from pneumoscope.export.quantisation import RANGED_ON, compare_speed, quantise, require_worth
from pneumoscope.export.simulated_acquisition import shift_images
from pneumoscope.models import Precision
from pneumoscope.models.deployed import Deployed, Ensemble
from pneumoscope.radiograph import preprocess
from pneumoscope.reader.bundle import (
    CARD,
    FAMILIARITY,
    GATE,
    GRAPH,
    Bundle,
    BundleRecord,
    Calibration,
    InputContract,
    Member,
    TrainingData,
    write_bundle,
)
from pneumoscope.reader.familiarity import FAMILIAR_SHARE
from pneumoscope.reader.model_card import model_card
from pneumoscope.reader.quality_gate import fit_gate
from pneumoscope.reader.reader import NetworkOutput, open_graph, run_graph
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError
from pneumoscope.support.files import require_empty
from pneumoscope.support.host import usable_cores
from pneumoscope.support.terminal import messages, track
from pneumoscope.training.evaluate import finished_network, is_judged, read_predictions
from pneumoscope.training.examples import Examples, ExampleStore
from pneumoscope.training.run import Run

INTENDED_USE = (
    "A second opinion on frontal chest radiographs of patients like those it was trained on, for "
    "a clinician who has looked at the radiograph. Not a diagnosis, and not a medical device."
)

LIMITATIONS = (
    "Measured on images of the sources it was trained on; other ages, hospitals and scanners need "
    "a validation of their own.",
    "Distinguishes pneumonia from its absence only: other findings are not named, and may be read "
    "as either.",
    "Thresholds, calibration and the uncertain band were fitted on validation images; they hold "
    "for images like those.",
    "Lateral views and other parts of the body are refused where the DICOM file says so; whether "
    "pixels alone suffice was not measured.",
)

CROSS_VALIDATION = "cross-validation"

_BATCH = 32


@dataclass(frozen=True)
class _Part:
    """A split, its pixels, and what the graph gives for them."""

    examples: Examples
    pixels: NDArray[np.uint8]
    look: NetworkOutput

    def predictions(self, temperature: float) -> Predictions:
        """Return the split with its calibrated probabilities."""
        return self.examples.predictions(apply_temperature(self.logits, temperature))

    @property
    def logits(self) -> NDArray[np.float64]:
        return self.look.logits.astype(np.float64)


@dataclass(frozen=True)
class _Fitted:
    """A temperature, and the calibrated predictions that operating points are chosen on."""

    temperature: float
    source: str
    calibrated: Predictions
    shifted: Sequence[Predictions] = ()


def export_bundle(
    runs: Sequence[Run],
    out: Path,
    cache: ArrayCache,
    name: str,
    notice: str | None = None,
    population: str = "not stated",
    images: Path | None = None,
    limits: Sequence[str] = (),
    *,
    int8: bool = False,
    fit_on: Predictions | None = None,
) -> Bundle:
    """Export Runs into one bundle.

    Parameters
    ----------
    runs
        Finished, trained on one manifest with images of one size; several become an ensemble.
    out
        The folder to appear.
    cache
        Holds the prepared pixels.
    name
        Of the bundle, as readings carry it.
    notice
        What a user must know before all else, such as that it is interim.
    population
        Whose radiographs the Runs learned from, in words.
    images
        What the manifest's paths are relative to.
    limits
        What is known of its limits besides those of every bundle, in words.
    int8
        Whether convolutions multiply 8-bit integers.
    fit_on
        Cross-validated predictions for images of both classes, on which calibration and operating
        points are fitted; None for the validation split, as it is and in the shifts of
        `shift_images`. For networks that have learned from all there is.

    Raises
    ------
    RunError
        If a Run is not finished, the Runs do not fit together, graph and PyTorch disagree, or
        8-bit integers are not faster here or change the validation AUC.
    PredictionsError
        If validation has images of one class alone.
    """
    require_empty(out)
    _require_alike(runs)
    manifest = runs[0].manifest(images)
    members = [Deployed(finished_network(run).cpu()) for run in runs]
    network = members[0] if len(members) == 1 else Ensemble(members)
    with messages.status("Exporting the graph"):
        graph = export_graph(network, runs[0].recipe.image_size)
    store = ExampleStore(manifest, cache)
    learned, validated = (
        store.pixels(split, runs[0].recipe) for split in (Split.TRAIN, Split.VALIDATION)
    )
    validation = _look_at_split(graph, validated)
    difference = require_agreement(network, validation.pixels[:COMPARED], validation.look)
    messages.print(f"Graph and PyTorch differ by at most {difference:.1e} in probability")
    if int8:
        graph, validation = _in_integers(graph, learned, validation)
    train = _look_at_split(graph, learned)
    familiarity = fit_familiarity(train.look.features)
    with messages.status("Fitting the quality gate"):
        gate = fit_gate(train.pixels, validation.pixels)
    contents = {GRAPH: graph, FAMILIARITY: familiarity.to_bytes(), GATE: gate.to_bytes()}
    fitted = _fit_to_shifts(graph, validation) if fit_on is None else _fit_to(fit_on)
    tested = None if len(runs) > 1 or int8 else _tested(runs[0], fitted.temperature)
    distances = familiarity.distance(validation.look.features)
    record = BundleRecord(
        name=name,
        notice=notice,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pneumoscope=pneumoscope.__version__,
        members=tuple(map(_member, runs)),
        input=_input_contract(runs[0]),
        arithmetic="int8" if int8 else "float32",
        calibration=Calibration(
            temperature=fitted.temperature,
            n=len(fitted.calibrated.files),
            fitted_on=fitted.source,
        ),
        operating_points=record_operating_points(fitted.calibrated, tested, fitted.shifted),
        familiarity_limit=float(np.quantile(distances, FAMILIAR_SHARE)),
        training_data=_training_data(manifest, population),
        metrics=record_metrics(
            {
                CROSS_VALIDATION: None if fit_on is None else fitted.calibrated,
                Split.VALIDATION: validation.predictions(fitted.temperature),
                Split.TEST: tested,
            }
        ),
        intended_use=INTENDED_USE,
        limitations=(*LIMITATIONS, *limits),
        licence=_licence(runs),
        files={},
    )
    contents[CARD] = model_card(record).encode()
    return write_bundle(out, record, contents)


def _require_alike(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs:
        run.require_finished()
        if run.record.manifest_fingerprint != first.record.manifest_fingerprint:
            raise RunError(
                f"{run.folder}: was trained on other data or another split than {first.folder}; "
                "an ensemble's members need the same validation images"
            )
        if _input_contract(run) != _input_contract(first):
            raise RunError(
                f"{run.folder}: sees images of another size or resampling than {first.folder}; "
                "export them into bundles of their own"
            )


def _in_integers(graph: bytes, train: Examples, validation: _Part) -> tuple[bytes, _Part]:
    """Return a graph in 8-bit integers if it is worth it, and what it gives."""
    with messages.status("Going over to 8-bit integers"):
        small = quantise(graph, _pixels(train)[:: max(1, len(train) // RANGED_ON)])
    validated = _look_at_split(small, validation.examples)
    before, after = _auc(validation), _auc(validated)
    with messages.status("Timing both graphs"):
        times_faster = compare_speed(graph, small, validation.pixels)
    require_worth(before, after, times_faster)
    messages.print(
        f"8-bit integers: {times_faster:.2f} times faster, validation AUC {before:.4f} before and "
        f"{after:.4f} after"
    )
    return small, validated


def _auc(part: _Part) -> float:
    require_both_classes(part.examples.labels)
    predictions = part.predictions(1.0)
    auc = roc_auc(predictions.labels, predictions.probabilities)
    assert auc is not None
    return auc


def _pixels(examples: Examples) -> NDArray[np.uint8]:
    return examples.inputs[examples.rows].astype(np.uint8, copy=False)


def _look_at_split(graph: bytes, examples: Examples) -> _Part:
    pixels = _pixels(examples)
    return _Part(examples, pixels, _look(graph, pixels, f"Looking at {examples.entries[0].split}"))


def _look_at_shifts(graph: bytes, validation: _Part) -> list[NDArray[np.float64]]:
    """Return the logits of validation images as other machines might have made them."""
    require_both_classes(validation.examples.labels)
    return [
        _look(graph, pixels, f"Looking at validation, {name}").logits.astype(np.float64)
        for name, pixels in shift_images(validation.pixels, validation.examples.labels)
    ]


def _fit_to_shifts(graph: bytes, validation: _Part) -> _Fitted:
    labels, plain = validation.examples.labels, validation.logits
    shifts = _look_at_shifts(graph, validation)
    temperature = fit_temperature(
        np.concatenate([plain, *shifts]), np.tile(labels, 1 + len(shifts))
    )
    calibrated = validation.predictions(temperature)
    return _Fitted(
        temperature,
        f"{Split.VALIDATION}, as it is and in {len(shifts)} simulated acquisitions",
        calibrated,
        [replace(calibrated, probabilities=apply_temperature(logits, temperature)) for logits in shifts],
    )


def _fit_to(table: Predictions) -> _Fitted:
    logits = log_odds(table.probabilities)
    temperature = fit_temperature(logits, table.labels)
    calibrated = replace(table, probabilities=apply_temperature(logits, temperature))
    return _Fitted(temperature, CROSS_VALIDATION, calibrated)


def _look(graph: bytes, pixels: NDArray[np.uint8], doing: str) -> NetworkOutput:
    session = open_graph(graph, usable_cores())
    starts = range(0, len(pixels), _BATCH)
    looks = [
        run_graph(session, pixels[start : start + _BATCH])
        for start in track(starts, doing, len(starts))
    ]
    return NetworkOutput(
        *(
            np.concatenate([getattr(one, name) for one in looks])
            for name in ("logits", "heatmaps", "features")
        )
    )


def _tested(run: Run, temperature: float) -> Predictions | None:
    """Return what the Run said of the test split, calibrated.

    None if that was not read, or was said in another precision than the graph's. Of an ensemble or
    of integers, too, a Run's figures would be another network's.
    """
    if not is_judged(run, Split.TEST) or run.recipe.precision is not Precision.FLOAT32:
        return None
    table = read_predictions(run, Split.TEST)
    logits = log_odds(table.probabilities)
    return replace(table, probabilities=apply_temperature(logits, temperature))


def _member(run: Run) -> Member:
    recipe = run.recipe
    return Member(
        model=recipe.model,
        seed=recipe.seed,
        precision=str(recipe.precision),
        epochs=len(run.history()),
        created=run.record.created,
    )


def _input_contract(run: Run) -> InputContract:
    return InputContract(
        size=run.recipe.image_size,
        resampling=run.recipe.resampling,
        preparation=preprocess.PREPARATION_VERSION,
    )


def _licence(runs: Sequence[Run]) -> str:
    others = {
        run.record.initial_weights.origin
        for run in runs
        if run.record.initial_weights is not None and run.recipe.spec.licensed_weights
    }
    if not others:
        return "Apache-2.0"
    return f"Apache-2.0, and that of the weights it began with: {'; '.join(sorted(others))}"


def _training_data(manifest: Manifest, population: str) -> TrainingData:
    return TrainingData(
        population=population,
        fingerprint=manifest.fingerprint,
        train=len(manifest.of(Split.TRAIN)),
        validation=len(manifest.of(Split.VALIDATION)),
        synthetic=manifest.synthetic,
    )
