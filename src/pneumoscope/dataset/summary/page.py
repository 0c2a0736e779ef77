"""One page about a dataset: the notebook's "observing raw data", counts and warnings."""

import random
from collections.abc import Sequence
from pathlib import Path

from pneumoscope.dataset.manifest import Entry, Label, Manifest, Split, SplitBy
from pneumoscope.dataset.summary.figures import draw_figures
from pneumoscope.dataset.summary.statistics import measure_dataset
from pneumoscope.report.html import figure_png, inline_png, render_page
from pneumoscope.support.files import write_bytes, write_text

SAMPLES = 10
"""Radiographs shown of each class."""


def summarise(manifest: Manifest, out: Path, seed: int = 0) -> Path:
    """Write a page about a dataset, and its figures as PNG files.

    Parameters
    ----------
    manifest
        The dataset.
    out
        Folder that receives ``summary.html``, which needs nothing beside it, and the figures.
    seed
        Of the choice of radiographs that are shown, which come from the train split.

    Returns
    -------
    Path
        ``out/summary.html``.

    Raises
    ------
    DatasetError
        If a file is not the one that the manifest describes any more.
    UnreadableRadiographError
        If a file has become unreadable.
    StorageError
        If something cannot be written.
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
        by_image=manifest.split_by is SplitBy.IMAGE,
        labels=tuple(Label),
        splits=tuple(Split),
    )
    write_text(page, html)
    return page


def draw_samples(manifest: Manifest, label: Label, seed: int) -> Sequence[Entry]:
    """Choose up to `SAMPLES` images of a class from the train split at random.

    Parameters
    ----------
    manifest
        The dataset.
    label
        The class.
    seed
        Of the choice.

    Examples
    --------
    >>> entries = tuple(Entry(f"{i}.png", Label.NORMAL, split=Split.TRAIN) for i in range(30))
    >>> some = draw_samples(Manifest(Path("."), entries, SplitBy.PATIENT, 0), Label.NORMAL, seed=1)
    >>> len({entry.path for entry in some})
    10
    """
    pool = [entry for entry in manifest.of(Split.TRAIN) if entry.label is label]
    return random.Random(f"{seed} {label.name}").sample(pool, min(SAMPLES, len(pool)))
