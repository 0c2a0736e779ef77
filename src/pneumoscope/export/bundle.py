"""Export of finished Runs as a bundle: the graph, and everything that is fitted for it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import pneumoscope
from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.patients import describe_split_unit
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import require_both_classes
from pneumoscope.evaluation.statistics.roc import roc_auc
from pneumoscope.evaluation.statistics.temperature_scaling import apply_temperature, log_odds
from pneumoscope.export.bundle_metrics import choose_measured_points, measure_splits
from pneumoscope.export.calibration import (
    fit_on_simulated_acquisitions,
    fit_on_table,
)
from pneumoscope.export.familiarity import fit_familiarity
from pneumoscope.export.onnx_graph import (
    N_COMPARED_IMAGES,
    SplitOutput,
    export_graph,
    prepared_pixels,
    require_agreement,
    run_on_pixels,
    run_on_split,
)
from pneumoscope.export.outsiders import read_outsiders
from pneumoscope.export.quantisation import (
    N_RANGE_IMAGES,
    compare_speed,
    quantise,
    require_benefit,
)
from pneumoscope.export.refusal import fit_refusal
from pneumoscope.lungs.framing import preparation_version
from pneumoscope.lungs.lung_finder import shipped_lung_finder
from pneumoscope.models import Precision
from pneumoscope.models.deployed import Ensemble
from pneumoscope.reader.bundle import (
    CARD,
    CROSS_VALIDATION,
    FAMILIARITY,
    GATE,
    GRAPH,
    LUNG_FINDER,
    Bundle,
    BundleRecord,
    Calibration,
    InputContract,
    Member,
    RefusalLimits,
    TrainingData,
    write_bundle,
)
from pneumoscope.reader.familiarity import FAMILIAR_SHARE
from pneumoscope.reader.model_card import model_card
from pneumoscope.reader.population import Population
from pneumoscope.reader.quality_gate import fit_gate
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError
from pneumoscope.support.files import require_empty
from pneumoscope.support.terminal import messages
from pneumoscope.training.evaluate import is_evaluated, load_trained_network, read_predictions
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
    "A heat map shows what the network used, not where the disease is.",
)


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
    patients: Population | None = None,
    outsiders: Sequence[Path] = (),
    outsiders_population: str | None = None,
    int8: bool = False,
    fit_on: Predictions | None = None,
) -> Bundle:
    """Export Runs as one bundle.

    Parameters
    ----------
    runs
        Finished Runs on one dataset with images of one size; several become an ensemble.
    out
        Folder to write the bundle to; must not exist.
    cache
        Cache of prepared pixels.
    name
        Name of the bundle, which its readings carry.
    notice
        Most important warning to users, such as that the bundle is interim.
    population
        Patients of the training data, in words.
    images
        Folder that the manifest's paths are relative to.
    limits
        Limitations besides those of every bundle, in words.
    patients
        Patients and images that the bundle may answer for; None for all patients, frontal views.
    outsiders
        Radiographs, or folders of them, of patients whom the bundle must refuse.
    outsiders_population
        Patients of ``outsiders``, in words; by default the names of its paths.
    int8
        Whether convolutions multiply 8-bit integers.
    fit_on
        Cross-validated predictions for images of both classes, to fit calibration and operating
        points on; for networks that were trained on all images, whose limits of refusal are
        cross-validated too. None for the validation split, unchanged and in the simulated
        acquisitions of `simulate_acquisitions`.

    Raises
    ------
    RunError
        If a Run is not finished, the Runs do not match, graph and PyTorch disagree, 8-bit
        integers are not faster here or change the validation AUC, or there are too few outsiders.
    PredictionsError
        If the validation split has one class only.
    """
    require_empty(out)
    patients = patients or Population()
    _require_matching(runs)
    contract = _input_contract(runs[0])
    preparation = runs[0].recipe.preparation
    strangers = read_outsiders(outsiders, preparation, outsiders_population) if outsiders else None
    manifest = runs[0].manifest(images)
    store = ExampleStore(manifest, cache)
    train_examples, validation_examples = (
        tuple(store.prepared(split, kind) for kind in (preparation, preparation.whole))
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    graph, validation = _export_graph(runs, *validation_examples)
    if int8:
        graph, validation = _quantise(graph, train_examples[0], validation)
    train = run_on_split(graph, *train_examples)
    familiarity, refusal = fit_refusal(
        graph,
        preparation,
        fit_familiarity(train.output.features),
        train,
        validation if fit_on is None else None,
        strangers,
    )
    with messages.status("Fitting the quality gate"):
        gate = fit_gate(train.whole, validation.whole)
    contents = {GRAPH: graph, FAMILIARITY: familiarity.to_bytes(), GATE: gate.to_bytes()}
    if contract.needs_lungs:
        contents[LUNG_FINDER] = shipped_lung_finder()
    fit = (
        fit_on_simulated_acquisitions(graph, preparation, validation)
        if fit_on is None
        else fit_on_table(fit_on)
    )
    single = len(runs) == 1 and not int8
    test = _test_predictions(runs[0], fit.temperature) if single else None
    distances = familiarity.distance(validation.output.features)
    record = BundleRecord(
        name=name,
        notice=notice,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pneumoscope=pneumoscope.__version__,
        members=tuple(map(_member, runs)),
        input=contract,
        arithmetic="int8" if int8 else "float32",
        calibration=Calibration(
            temperature=fit.temperature, n=len(fit.predictions.files), fitted_on=fit.source
        ),
        operating_points=choose_measured_points(fit.predictions, test, fit.simulated),
        familiarity_limit=float(np.quantile(distances, FAMILIAR_SHARE)),
        population=patients,
        refusal=refusal,
        training_data=_training_data(manifest, population),
        metrics=measure_splits(
            {
                # Beside cross-validated images, validation's may be of other patients, or learned.
                CROSS_VALIDATION: None if fit_on is None else fit.predictions,
                Split.VALIDATION: validation.predictions(fit.temperature)
                if fit_on is None
                else None,
                Split.TEST: test,
            }
        ),
        resampling_unit=(
            "image" if fit.predictions.n_without_patient else manifest.resampling_unit
        ),
        intended_use=INTENDED_USE,
        limitations=(*LIMITATIONS, *refusal_limitations(patients, refusal), *limits),
        licence=_licence(runs),
        files={},
    )
    contents[CARD] = model_card(record).encode()
    return write_bundle(out, record, contents)


def refusal_limitations(patients: Population, refusal: RefusalLimits) -> Iterator[str]:
    """Yield the limitations of what a bundle refuses, in words."""
    if patients.has_all_ages:
        yield "The ages of its patients are not stated: it answers for every age."
    if refusal.outsiders is None:
        yield (
            "No radiographs of other patients were given when it was exported: whether it refuses "
            "them where the file states no age was not measured."
        )
    else:
        yield (
            "Where the file states no age, it refuses other patients by their likeness to "
            f"{refusal.outsiders}. With images of another hospital it may refuse its own patients, "
            "or answer for others."
        )


def _require_matching(runs: Sequence[Run]) -> None:
    """Raise if a Run is unfinished, or was trained on other data or images than the first."""
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
                f"{run.folder}: takes images of another size, resampling or framing than "
                f"{first.folder}; export them as bundles of their own"
            )


def _export_graph(
    runs: Sequence[Run], examples: Examples, whole: Examples
) -> tuple[bytes, SplitOutput]:
    """Return the graph of one network or of an ensemble, and its output on validation."""
    size = runs[0].recipe.image_size
    members = [run.recipe.spec.deploy(load_trained_network(run).cpu(), size) for run in runs]
    network = members[0] if len(members) == 1 else Ensemble(members)
    with messages.status("Exporting the graph"):
        graph = export_graph(network, size)
    validation = run_on_split(graph, examples, whole)
    difference = require_agreement(
        network, validation.pixels[:N_COMPARED_IMAGES], validation.output
    )
    messages.print(f"Graph and PyTorch differ by at most {difference:.1e} in probability")
    return graph, validation


def _quantise(graph: bytes, train: Examples, validation: SplitOutput) -> tuple[bytes, SplitOutput]:
    """Return a graph in 8-bit integers and its output on validation, or raise if it is no gain."""
    with messages.status("Converting to 8-bit integers"):
        quantised = quantise(graph, prepared_pixels(train)[:: max(1, len(train) // N_RANGE_IMAGES)])
    quantised_output = run_on_pixels(quantised, validation.pixels, "Running on validation")
    output = replace(validation, output=quantised_output)
    auc_before, auc_after = _auc(validation), _auc(output)
    with messages.status("Timing both graphs"):
        speedup = compare_speed(graph, quantised, validation.pixels)
    require_benefit(auc_before, auc_after, speedup)
    messages.print(
        f"8-bit integers: {speedup:.2f} times as fast, validation AUC {auc_before:.4f} before and "
        f"{auc_after:.4f} after"
    )
    return quantised, output


def _auc(split: SplitOutput) -> float:
    require_both_classes(split.examples.labels)
    auc = roc_auc(split.examples.labels, split.predictions(1.0).probabilities)
    assert auc is not None
    return auc


def _test_predictions(run: Run, temperature: float) -> Predictions | None:
    """Return the Run's calibrated predictions for the test split.

    None if there are none, or if they were computed in another precision than the graph's: they
    would be another network's.
    """
    if not is_evaluated(run, Split.TEST) or run.recipe.precision is not Precision.FLOAT32:
        return None
    table = read_predictions(run, Split.TEST)
    logits = log_odds(table.probabilities)
    return replace(table, probabilities=apply_temperature(logits, temperature))


def _member(run: Run) -> Member:
    initial = run.record.initial_weights
    return Member(
        model=run.recipe.model,
        seed=run.recipe.seed,
        precision=str(run.recipe.precision),
        epochs=len(run.history()),
        created=run.record.created,
        initial_weights=None if initial is None else initial.origin,
    )


def _input_contract(run: Run) -> InputContract:
    return InputContract(
        size=run.recipe.image_size,
        resampling=run.recipe.resampling,
        framing=run.recipe.framing,
        preparation=preparation_version(run.recipe.framing),
    )


def _licence(runs: Sequence[Run]) -> str:
    origins = {
        run.record.initial_weights.origin
        for run in runs
        if run.record.initial_weights is not None
        and run.recipe.spec.has_licensed_weights(run.recipe.weights)
    }
    sources = {
        str(run.record.network_source) for run in runs if run.record.network_source is not None
    }
    parts = {"pretrained weights": origins, "network's package": sources}
    return ", and ".join(
        [
            "Apache-2.0",
            *(
                f"that of the {part}: {'; '.join(sorted(names))}"
                for part, names in parts.items()
                if names
            ),
        ]
    )


def _training_data(manifest: Manifest, population: str) -> TrainingData:
    return TrainingData(
        population=population,
        fingerprint=manifest.fingerprint,
        train=len(manifest.of(Split.TRAIN)),
        validation=len(manifest.of(Split.VALIDATION)),
        split_by=describe_split_unit(manifest),
        synthetic=manifest.synthetic,
    )
