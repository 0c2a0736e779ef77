"""Evaluation of Runs, bundles and tables of predictions, side by side and in the same way."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.manifest import Entry
from pneumoscope.dataset.reading_log import record_test_reading
from pneumoscope.dataset.splits import patient_groups
from pneumoscope.evaluation.model_comparison import Comparison
from pneumoscope.evaluation.model_evaluation import Subject
from pneumoscope.evaluation.predictions import CLASS_NAMES, Labels, Predictions
from pneumoscope.evaluation.report.comparison_page import render_comparison
from pneumoscope.evaluation.report.evaluation_json import comparison_json
from pneumoscope.evaluation.second_reader import SecondReader
from pneumoscope.reader import Reader, find_bundle, open_reader
from pneumoscope.reader.bundle import RECORD
from pneumoscope.report.pdf import write_pdf_if_possible
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.distinct_names import distinct_names
from pneumoscope.support.errors import PredictionsError, StorageError
from pneumoscope.support.files import write_text
from pneumoscope.validation.local_readings import LocalReadings, read_labelled
from pneumoscope.validation.report.stress_json import stress_tests_json
from pneumoscope.validation.report.stress_view import view_stress_tests
from pneumoscope.validation.stress.stress_tests import (
    StressTests,
    TrainingImages,
    run_stress_tests,
)

if TYPE_CHECKING:
    from pneumoscope.training import Run


@dataclass(frozen=True, slots=True)
class SplitReading:
    """Record of one reading of a test split by a bundle."""

    bundle: str
    """Identity of the bundle."""
    manifest_fingerprint: str
    """Fingerprint of the dataset and its splits."""
    images: int
    """Number of images in the test split."""
    number: int | None
    """Number of readings of this split by this bundle, this one included; None if the bundle's
    folder cannot be written, and the reading could not be recorded."""

    def __str__(self) -> str:
        """Return the record as a sentence."""
        if self.number is None:
            return (
                f"This reading of the test split by {self.bundle} could not be recorded, because "
                "the bundle's folder cannot be written: how often it has read the split is unknown."
            )
        return (
            f"This is reading number {self.number:,} of this test split by {self.bundle}, as "
            "recorded in the bundle's folder."
        )


@dataclass(frozen=True, slots=True, eq=False)
class BundleReadings:
    """Readings of a test split by a bundle."""

    reader: Reader
    local: LocalReadings
    training: TrainingImages | None
    """Images that the bundle was trained on; None if they are unknown."""
    recorded: SplitReading


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Model to evaluate: a table of predictions, and the Run or bundle that they come from."""

    subject: Subject
    readings: BundleReadings | None = None
    run: "Run | None" = None


def open_models(
    names: Sequence[str],
    open_cache: Callable[[], ArrayCache],
    manifest: Manifest | None,
    images: Path | None,
    thresholds: Mapping[str, float],
    negatives: Sequence[str],
    second_reader: SecondReader | None,
) -> tuple[list[Model], SecondReader | None]:
    """Open models as `open_model` does, and match a second reader to the files of their images.

    Models of one name, such as two Runs of one network, are named by the parts of their paths that
    differ. With a dataset, the second reader is matched before its test split is read: a table that
    does not fit costs no reading.

    Raises
    ------
    PredictionsError
        If a model is given twice, or as `open_model` does.
    """
    paths = [find_bundle(name) if is_bundle(name) else Path(name) for name in names]
    _require_different_models(names, paths)
    if second_reader is not None and manifest is not None:
        second_reader = second_reader.match(
            entry.path
            for entry in manifest.entries
            if entry.split is Split.TEST or entry.set_aside is not None
        )
    models = [
        open_model(name, open_cache, manifest, images, thresholds, negatives) for name in names
    ]
    distinct = distinct_names([model.subject.name for model in models], paths)
    models = [
        replace(model, subject=replace(model.subject, name=name))
        for model, name in zip(models, distinct, strict=True)
    ]
    if second_reader is not None and manifest is None:
        tables = (model.subject.predictions for model in models)
        second_reader = second_reader.match(file for table in tables for file in table.files)
    return models, second_reader


def _require_different_models(names: Sequence[str], paths: Sequence[Path]) -> None:
    """Raise an error if two names are of one model: its test split would be read twice."""
    first_name: dict[Path, str] = {}
    for name, path in zip(names, paths, strict=True):
        first = first_name.get(path.resolve())
        if first is not None:
            same = "" if first == name else f", as {first}"
            raise PredictionsError(f"{name}: is given twice{same}; leave one of them out")
        first_name[path.resolve()] = name


def open_model(
    name: str,
    open_cache: Callable[[], ArrayCache],
    manifest: Manifest | None,
    images: Path | None,
    thresholds: Mapping[str, float],
    negatives: Sequence[str],
) -> Model:
    """Open a Run, a bundle or a table of predictions; a bundle, or a new Run, reads the test split.

    Parameters
    ----------
    name
        Path of a Run directory, bundle or table, or the name of a bundle of the package.
    open_cache
        Function that opens the cache of prepared pixels; called for Runs alone.
    manifest
        Dataset whose test split a bundle reads.
    images
        Folder that file names in a Run's manifest are relative to; None for the recorded one.
    thresholds
        Operating points of a table.
    negatives
        Labels of a table that count as no pneumonia.

    Raises
    ------
    PredictionsError
        If a bundle is given without a dataset, or a table is invalid.
    RunError
        If a Run is damaged or not finished.
    """
    if is_bundle(name):
        if manifest is None:
            raise PredictionsError(
                f"{name}: a bundle reads images; pass --data with a dataset that has a test "
                "split, or use 'pneumoscope validate' for labelled images of your own"
            )
        return read_test_split(open_reader(name), manifest)
    if Path(name).is_dir():
        from pneumoscope.training import Run

        run = Run.open(Path(name))
        return Model(subject_of_run(run, open_cache(), images), run=run)
    table, predictions = Path(name), Predictions.read(Path(name), negatives)
    return Model(Subject(table.stem, f"the table {table.name}", predictions, thresholds))


def is_bundle(name: str) -> bool:
    """Return whether a path or name is that of a bundle."""
    return (find_bundle(name) / RECORD).exists()


def subject_of_run(run: "Run", cache: ArrayCache, images: Path | None = None) -> Subject:
    """Return the predictions of a finished Run on its test split.

    The split is read, and the reading recorded in the Run, unless the Run was evaluated before. A
    Run that is not finished, or whose images are missing, raises `RunError`.
    """
    from pneumoscope.training import ExampleStore, evaluate_once
    from pneumoscope.training.evaluate import read_predictions, with_patients

    manifest = run.manifest(images)
    evaluate_once(run, ExampleStore(manifest, cache))
    threshold = run.recipe.threshold
    test, validation = (
        with_patients(read_predictions(run, split), manifest.of(split))
        for split in (Split.TEST, Split.VALIDATION)
    )
    entries = {entry.path: entry for entry in manifest.of(Split.TEST)}
    groups = labels_of([entries[file] for file in test.files]).groups
    return Subject(
        run.folder.name,
        f"a Run of {run.recipe.model} (seed {run.recipe.seed}) on the test split of the data "
        f"{manifest.fingerprint[:12]}",
        replace(test, groups=groups),
        {f"threshold {threshold:g}": threshold},
        validation,
    )


def read_test_split(reader: Reader, manifest: Manifest) -> Model:
    """Read the test split of a dataset with a bundle, and record it in the bundle's folder.

    If the bundle was trained on this dataset, its validation images are read too, and its training
    images are kept for comparison.

    Raises
    ------
    PredictionsError
        If the dataset has no test split, or none of it can be read.
    """
    entries = manifest.of(Split.TEST)
    if not entries:
        raise PredictionsError(
            f"{manifest.root}: has no test split; pass a dataset with one, or use 'pneumoscope "
            "validate' for labelled images of your own"
        )
    number = None
    with suppress(StorageError):  # such as a bundle in a system folder; the report says so
        number = record_test_reading(reader.bundle.folder, manifest.fingerprint, len(entries))
    recorded = SplitReading(reader.bundle.identity, manifest.fingerprint, len(entries), number)
    local = read_labelled(reader, labels_of(entries), manifest.root)
    record = reader.bundle.record
    is_known = record.training_data.fingerprint == manifest.fingerprint
    validation = None
    if is_known:
        validation_labels = labels_of(manifest.of(Split.VALIDATION))
        validation = read_labelled(reader, validation_labels, manifest.root).predictions
    subject = Subject(
        record.name,
        f"the bundle {reader.bundle.identity} on the test split of the data "
        f"{manifest.fingerprint[:12]}",
        local.predictions,
        {name: point.threshold for name, point in record.operating_points.items()},
        validation,
    )
    train_entries = manifest.of(Split.TRAIN)
    training = TrainingImages(
        tuple(manifest.root / entry.path for entry in train_entries),
        tuple(int(entry.label) for entry in train_entries),
    )
    training_images = training if is_known and train_entries else None
    return Model(subject, BundleReadings(reader, local, training_images, recorded))


def labels_of(entries: Sequence[Entry]) -> Labels:
    """Return the labels of a manifest's entries; further columns and subtypes become subgroups."""
    columns = dict.fromkeys(name for entry in entries for name in entry.extra)
    groups = {name: tuple(entry.extra.get(name) or "" for entry in entries) for name in columns}
    if any(entry.subtype for entry in entries):
        groups["subtype"] = tuple(
            entry.subtype or CLASS_NAMES[entry.label].lower() for entry in entries
        )
    return Labels(
        tuple(entry.path for entry in entries),
        tuple(int(entry.label) for entry in entries),
        patient_groups(entries),
        groups,
    )


def stress_test_model(model: Model) -> StressTests | None:
    """Run the stress tests on a bundle's images; None for a Run or a table."""
    if model.readings is None:
        return None
    readings, subject = model.readings, model.subject
    return run_stress_tests(
        readings.reader,
        readings.local.paths,
        subject.predictions,
        subject.threshold,
        readings.training,
    )


def write_report(
    comparison: Comparison, models: Sequence[Model], out: Path, stress_tests: StressTests | None
) -> None:
    """Write ``report.html``, ``report.pdf``, ``evaluation.json``, and the files of each model.

    Each model has its table of predictions, and a Run its model card, datasheet and CLAIM
    checklist. A file that cannot be written raises `StorageError`.
    """
    for model in models:
        subject = model.subject
        subject.predictions.write(out / "predictions" / f"{subject.name}.csv")
        if model.run is not None:
            from pneumoscope.training.documents.write import write_documents

            write_documents(model.run, out / "documents" / subject.name)
    notes = _notes(models)
    extra = {
        "notes": notes,
        "test_readings": [
            asdict(model.readings.recorded) for model in models if model.readings is not None
        ],
        "stress_tests": None if stress_tests is None else stress_tests_json(stress_tests),
    }
    write_text(out / "evaluation.json", comparison_json(comparison, extra))
    page = render_comparison(
        comparison,
        notes,
        None if stress_tests is None else view_stress_tests(stress_tests, comparison.main),
    )
    write_text(out / "report.html", page)
    write_pdf_if_possible(page, out / "report.pdf")


def _notes(models: Sequence[Model]) -> list[str]:
    """Return remarks that readers of the results need, such as unread or synthetic images."""
    notes = []
    for model in models:
        name = model.subject.name
        if model.run is not None and model.run.record.synthetic:
            notes.append(f"{name} was trained and evaluated on synthetic images, not on patients.")
        if model.readings is None:
            continue
        notes.append(str(model.readings.recorded))
        if model.readings.training is None:
            notes.append(
                f"According to its record, {name} was not trained on these data; whether some of "
                "these images were among its training images is unknown."
            )
        if model.readings.reader.bundle.record.training_data.synthetic:
            notes.append(f"{name} was trained on synthetic images, not on patients.")
        if unread := model.readings.local.unread:
            notes.append(
                f"{name} did not read {len(unread):,} of the images "
                f"({len(model.readings.local.outside):,} outside of what it may answer for); they "
                f"are left out of its results. The first: {unread[0].file}: "
                f"{'; '.join(unread[0].reasons)}."
            )
    if runs := [model.subject.name for model in models if model.run is not None]:
        notes.append(
            "Stress tests (robustness, shortcuts, galleries of errors) need a bundle: to see those "
            f"of {', '.join(runs)}, export a Run and evaluate the bundle with --data."
        )
    return notes
