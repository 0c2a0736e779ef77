"""Evaluation: Runs, bundles and tables of predictions, judged side by side by one ruler."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.manifest import Entry
from pneumoscope.evaluation.model_comparison import Comparison, comparison_json
from pneumoscope.evaluation.model_evaluation import Subject
from pneumoscope.evaluation.predictions import CLASS_NAMES, Labels, Predictions
from pneumoscope.evaluation.report.comparison_page import render_evidence
from pneumoscope.reader import Reader, find_bundle, load
from pneumoscope.reader.bundle import RECORD
from pneumoscope.report.pdf import print_pdf
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.files import write_text
from pneumoscope.validation.local_readings import LocalReadings, read_labelled
from pneumoscope.validation.report.stress_json import inspection_json
from pneumoscope.validation.report.stress_view import view_inspection
from pneumoscope.validation.stress.stress_tests import (
    StressTests,
    TrainingImages,
    run_stress_tests,
)

if TYPE_CHECKING:
    from pneumoscope.training import Run


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What a bundle read, and what it learned from where that is known."""

    reader: Reader
    local: LocalReadings
    training: TrainingImages | None


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Someone to be judged: a Run, a bundle (then with what it read) or a table."""

    subject: Subject
    read: Read | None = None
    run: "Run | None" = None


def open_judged(
    name: str,
    open_cache: Callable[[], ArrayCache],
    manifest: Manifest | None,
    images: Path | None,
    thresholds: Mapping[str, float],
    negatives: Sequence[str],
) -> Source:
    """Open a Run folder, a bundle or a table of predictions, and have it read what it must.

    Parameters
    ----------
    name
        A path, or the name of a bundle that comes with the package.
    open_cache
        Opens that of prepared pixels; asked for Runs alone, for only they need what learns.
    manifest
        Whose test split a bundle reads.
    images
        What the paths of a Run's manifest are relative to.
    thresholds
        Operating points of a table.
    negatives
        Labels of a table that count as not having pneumonia.

    Raises
    ------
    PredictionsError
        If a bundle is to be judged and there is no dataset, or a table cannot be judged.
    """
    if is_bundle(name):
        if manifest is None:
            raise PredictionsError(
                f"{name}: a bundle reads images; pass --data with a dataset that has a test "
                "split, or use 'pneumoscope validate' for labelled images of your own"
            )
        return judged_bundle(load(name), manifest)
    if Path(name).is_dir():
        from pneumoscope.training import Run

        run = Run.open(Path(name))
        return Source(subject_of_run(run, open_cache(), images), run=run)
    return Source(subject_of_table(Path(name), thresholds, negatives))


def is_bundle(name: str) -> bool:
    """Tell whether something is a bundle, by its record."""
    return (find_bundle(name) / RECORD).exists()


def subject_of_run(run: "Run", cache: ArrayCache, images: Path | None = None) -> Subject:
    """Return a finished Run on its test split; that it was read is noted in the Run.

    A split that the Run was judged on before is not read again.

    Raises
    ------
    RunError
        If the Run is not finished, or its images are missing.
    """
    from pneumoscope.training import ExampleStore, evaluate_once
    from pneumoscope.training.evaluate import read_predictions

    manifest = run.manifest(images)
    evaluate_once(run, ExampleStore(manifest, cache))
    threshold = run.recipe.threshold
    return Subject(
        run.folder.name,
        f"the Run {run.folder.name} ({run.recipe.model}, seed {run.recipe.seed}) on the test split "
        f"of the data {manifest.fingerprint[:12]}",
        _with_groups(read_predictions(run, Split.TEST), manifest),
        {f"threshold {threshold:g}": threshold},
        read_predictions(run, Split.VALIDATION),
    )


def subject_of_table(
    path: Path, thresholds: Mapping[str, float], negatives: Sequence[str] = ()
) -> Subject:
    """Return anyone's table of predictions as a subject.

    Raises
    ------
    PredictionsError
        See `Predictions.read`.
    """
    predictions = Predictions.read(path, negatives)
    return Subject(path.stem, f"the table {path.name}", predictions, thresholds)


def judged_bundle(reader: Reader, manifest: Manifest) -> Source:
    """Read the test split of a dataset with a bundle.

    If it is the dataset that the bundle learned from, its validation images are read too, and the
    training images are kept for comparison.

    Raises
    ------
    PredictionsError
        If the dataset has no test split, or none of it can be read.
    """
    entries = manifest.of(Split.TEST)
    if not entries:
        raise PredictionsError(
            f"{manifest.root}: has no test split, so there is nothing to report on; pass a folder "
            "with one, or judge labelled images with 'pneumoscope validate'"
        )
    local = read_labelled(reader, labels_of(entries), manifest.root)
    record = reader.bundle.record
    known = record.training_data.fingerprint == manifest.fingerprint
    validation = None
    if known:
        of_validation = labels_of(manifest.of(Split.VALIDATION))
        validation = read_labelled(reader, of_validation, manifest.root).predictions
    subject = Subject(
        record.name,
        f"the bundle {reader.bundle.identity} on the test split of the data "
        f"{manifest.fingerprint[:12]}",
        local.predictions,
        {name: point.threshold for name, point in record.operating_points.items()},
        validation,
    )
    learned = manifest.of(Split.TRAIN)
    training = TrainingImages(
        tuple(manifest.root / entry.path for entry in learned),
        tuple(int(entry.label) for entry in learned),
    )
    return Source(subject, Read(reader, local, training if known and learned else None))


def labels_of(entries: Sequence[Entry]) -> Labels:
    """Return what a manifest says of some of its images."""
    columns = dict.fromkeys(name for entry in entries for name in entry.extra)
    groups = {name: tuple(entry.extra.get(name) or "" for entry in entries) for name in columns}
    if any(entry.subtype for entry in entries):
        groups["subtype"] = tuple(_subtype(entry) for entry in entries)
    return Labels(
        tuple(entry.path for entry in entries),
        tuple(int(entry.label) for entry in entries),
        tuple(entry.group for entry in entries),
        groups,
    )


def inspect_source(source: Source) -> StressTests | None:
    """Look at a bundle's images again; None of a Run or a table, which have none at hand."""
    if source.read is None:
        return None
    read, subject = source.read, source.subject
    return run_stress_tests(
        read.reader, read.local.paths, subject.predictions, subject.threshold, read.training
    )


def write_evidence(
    evidence: Comparison, sources: Sequence[Source], out: Path, inspection: StressTests | None
) -> None:
    """Write ``report.html``, ``report.pdf``, ``evaluation.json``, and what is of each source.

    That is its table of predictions, and of a Run its model card, datasheet and CLAIM checklist.

    Raises
    ------
    StorageError
        If something cannot be written.
    """
    for source in sources:
        subject = source.subject
        subject.predictions.write(out / "predictions" / f"{subject.name}.csv")
        if source.run is not None:
            from pneumoscope.training.documents.write import write_documents

            write_documents(source.run, out / "documents" / subject.name)
    notes = _notes(sources)
    extra = {
        "notes": notes,
        "inspection": None if inspection is None else inspection_json(inspection),
    }
    write_text(out / "evaluation.json", comparison_json(evidence, extra))
    page = render_evidence(
        evidence, notes, None if inspection is None else view_inspection(inspection)
    )
    write_text(out / "report.html", page)
    print_pdf(page, out / "report.pdf")


def _notes(sources: Sequence[Source]) -> list[str]:
    """Say what the figures do not show: images that were not read, and synthetic ones."""
    notes = []
    for source in sources:
        name = source.subject.name
        if source.read is not None and source.read.training is None:
            notes.append(
                f"These are not the data that {name} learned from, as far as its record tells; "
                "whether some of these images were among them is not known."
            )
        if source.run is not None and source.run.record.synthetic:
            notes.append(f"{name} learned from synthetic images and was judged on such.")
        if source.read is None:
            continue
        if source.read.reader.bundle.record.training_data.synthetic:
            notes.append(f"{name} learned from synthetic images, not patients.")
        if rejected := source.read.local.rejected:
            notes.append(
                f"{name} did not read {len(rejected):,} of the images; they are in none of its "
                f"figures. The first: {rejected[0].file}: {'; '.join(rejected[0].reasons)}."
            )
    if runs := [source.subject.name for source in sources if source.run is not None]:
        notes.append(
            "Robustness, shortcuts and failures are looked at for bundles: to see those of "
            f"{', '.join(runs)}, export a Run and evaluate the bundle with --data."
        )
    return notes


def _with_groups(predictions: Predictions, manifest: Manifest) -> Predictions:
    entries = {entry.path: entry for entry in manifest.of(Split.TEST)}
    groups = labels_of([entries[file] for file in predictions.files]).groups
    return replace(predictions, groups=groups)


def _subtype(entry: Entry) -> str:
    return entry.subtype or CLASS_NAMES[entry.label].lower()
