"""Summary page of a dataset: sample images, counts and warnings."""

import random
from collections.abc import Sequence
from pathlib import Path

from pneumoscope.dataset.manifest import Entry, Label, Manifest, Split, SplitBy
from pneumoscope.dataset.patients import describe_split_unit, warn_of_unknown_patients
from pneumoscope.dataset.summary.figures import draw_figures
from pneumoscope.dataset.summary.statistics import measure_dataset
from pneumoscope.report.html import figure_png, render_page
from pneumoscope.report.jupyter import inline_png
from pneumoscope.support.files import write_bytes, write_text

SAMPLES_PER_CLASS = 10


def write_summary(manifest: Manifest, out: Path, seed: int = 0) -> Path:
    """Write the summary page of a dataset, and its figures as PNG files.

    Errors are those of `measure_dataset`, and `StorageError` if a file cannot be written.

    Parameters
    ----------
    manifest
        Dataset.
    out
        Folder for ``summary.html``, which is self-contained and returned, and the figures.
    seed
        Random seed of the choice of sample radiographs, which are from the train split.
    """
    summary = measure_dataset(manifest)
    samples = {label: draw_samples(manifest, label, seed) for label in Label}
    figures = {
        name: figure_png(figure)
        for name, figure in draw_figures(
            summary, manifest.root, samples, manifest.synthetic
        ).items()
    }
    for name, png in figures.items():
        write_bytes(out / f"{name}.png", png)
    page = out / "summary.html"
    html = render_page(
        "summary.html",
        manifest=manifest,
        summary=summary,
        samples=samples,
        figures={name: inline_png(png) for name, png in figures.items()},
        patients_warning=warn_of_unknown_patients(manifest),
        split_unit=describe_split_unit(manifest),
        by_image=manifest.split_by is SplitBy.IMAGE,
        labels=tuple(Label),
        splits=tuple(Split),
    )
    write_text(page, html)
    return page


def draw_samples(manifest: Manifest, label: Label, seed: int) -> Sequence[Entry]:
    """Choose up to `SAMPLES_PER_CLASS` images of a class from the train split at random.

    Examples
    --------
    >>> entries = tuple(Entry(f"{i}.png", Label.NORMAL, split=Split.TRAIN) for i in range(30))
    >>> manifest = Manifest(Path("."), entries, SplitBy.PATIENT, seed=0)
    >>> samples = draw_samples(manifest, Label.NORMAL, seed=1)
    >>> len({entry.path for entry in samples})
    10
    """
    pool = [entry for entry in manifest.of(Split.TRAIN) if entry.label is label]
    return random.Random(f"{seed} {label.name}").sample(pool, min(SAMPLES_PER_CLASS, len(pool)))
