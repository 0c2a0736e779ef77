"""Figures of the test split's audit, without radiographs, and a page with them that stays local."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.test_split_acquisition import BORDER, SIZE, SIZE_COLUMNS, Acquisitions
from benchmarks.test_split_data import AuditedSplit, Flags
from benchmarks.test_split_labels import candidates, votes
from benchmarks.test_split_limits import AUCS, perfect_reader_auc
from benchmarks.test_split_networks import OutOfSampleNetwork
from pneumoscope.dataset import Label
from pneumoscope.dataset.acquisition import COLUMNS
from pneumoscope.dataset.duplicates import near_duplicates
from pneumoscope.evaluation.predictions import CLASS_NAMES, Floats
from pneumoscope.evaluation.report.figures.panels import BLUE, GREY, ORANGE, PALETTE, panel, style
from pneumoscope.evaluation.statistics.temperature_scaling import log_odds
from pneumoscope.radiograph import read_radiograph
from pneumoscope.report.html import figure_png
from pneumoscope.report.jupyter import inline_png
from pneumoscope.support.files import write_bytes, write_text

SHOWN = (
    ("original width", "pixels"),
    ("aspect", "width / height"),
    ("black", "share of the margin"),
)
EXAMPLES = 12
_THUMBNAIL_INCHES = 1.5


def write_figures(
    acquisitions: Acquisitions,
    split: AuditedSplit,
    networks: Sequence[OutOfSampleNetwork],
    folder: Path,
) -> None:
    """Write the figures that show measurements alone, as PNG files."""
    figures = {
        "acquisition": acquisition_figure(acquisitions),
        "readers": readers_figure(split, networks[0], networks[1]),
        "limits": limits_figure(),
    }
    for name, figure in figures.items():
        write_bytes(folder / f"test-split-{name}.png", figure_png(figure))


def acquisition_figure(acquisitions: Acquisitions) -> Figure:
    """Draw the distributions of measurements of train and test, one row per class."""
    figure = Figure(figsize=(9.6, 5), layout="constrained")
    table = np.column_stack([acquisitions.features[BORDER], acquisitions.features[SIZE]])
    columns = [*COLUMNS, *SIZE_COLUMNS]
    grid = figure.subplots(len(Label), len(SHOWN), sharex="col", squeeze=False)
    for column, (name, unit) in enumerate(SHOWN):
        values = table[:, columns.index(name)]
        bins = np.histogram_bin_edges(values[~np.isnan(values)], 40)
        for label in Label:
            axes = grid[label, column]
            style(axes, f"{label.name}: {name}")
            for is_test, colour in ((False, BLUE), (True, ORANGE)):
                chosen = (acquisitions.labels == label) & (acquisitions.is_test == is_test)
                known = values[chosen & ~np.isnan(values)]
                name_of = f"{'test' if is_test else 'train'}, {len(known):,} images"
                kind = {"histtype": "step", "lw": 1.6, "density": True}
                axes.hist(known, bins, color=colour, label=name_of, **kind)
            axes.set_yticks([])
            axes.margins(y=0.35)  # room for the legend above the distributions
            axes.legend(frameon=False, fontsize=8)
        grid[-1, column].set_xlabel(unit, size=9)
    return figure


def readers_figure(
    split: AuditedSplit, first: OutOfSampleNetwork, second: OutOfSampleNetwork
) -> Figure:
    """Draw the log-odds of two networks for each image, by published label and expert."""
    figure, axes = panel("Two networks, the published label and the expert", (6.4, 5.2))
    x, y = (log_odds(network.test.probabilities) for network in (first, second))
    for label, colour in ((0, BLUE), (1, ORANGE)):
        for disputed, marker in ((False, "."), (True, "x")):
            rows = (split.labels == label) & (split.disputed == disputed)
            says = "expert contradicts" if disputed else "expert agrees"
            name = f"published {CLASS_NAMES[label]}, {says} ({int(rows.sum())})"
            axes.plot(x[rows], y[rows], marker, color=colour, ms=5, alpha=0.7, lw=0, label=name)
    for network, line in ((first, axes.axvline), (second, axes.axhline)):
        line(float(log_odds(np.array([network.threshold]))[0]), color=GREY, ls=":", lw=1)
    axes.set_xlabel(f"log-odds of {first.name} (dotted: threshold)", size=9)
    axes.set_ylabel(f"log-odds of {second.name}", size=9)
    axes.legend(frameon=False, fontsize=8)
    return figure


def limits_figure() -> Figure:
    """Draw the highest AUC of a perfect reader against the share of wrong labels."""
    figure, axes = panel("A perfect reader against labels that are partly wrong", (6.4, 4.2))
    rates = np.linspace(0, 0.12, 61)
    for name, rank, colour in (
        ("errors on the least clear images", 1.0, PALETTE[2]),
        ("errors at random", 0.5, BLUE),
        ("errors on the clearest images", 0.0, ORANGE),
    ):
        aucs = [perfect_reader_auc(rate, rate, rank) for rate in rates]
        axes.plot(100 * rates, aucs, color=colour, label=name)
    for auc in AUCS[2:]:
        axes.axhline(auc, color=GREY, ls=":", lw=0.8)
        axes.text(12.05, auc, f"{auc:g}", size=8, color=GREY, va="center")
    axes.set(xlim=(0, 12), ylim=(0.85, 1.002))
    axes.set_xlabel("labels that are wrong, % of each class", size=9)
    axes.set_ylabel("AUC against the labels", size=9)
    axes.legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def write_page(
    split: AuditedSplit, networks: Sequence[OutOfSampleNetwork], scores: Floats, path: Path
) -> None:
    """Write a page with the radiographs that the tables count; it holds patients' images.

    Parameters
    ----------
    split, networks
        Test split, and the networks that read it.
    scores
        Probability of PNEUMONIA by acquisition alone of each test image.
    path
        File of the page.
    """
    body = [
        "<!doctype html><meta charset='utf-8'><title>Audit of the test split</title>",
        "<style>body{font:15px sans-serif;margin:2em}img{max-width:100%}</style>",
        "<h1>Audit of the test split: the radiographs</h1>",
        "<p>This page holds radiographs of the dataset. Do not publish it with the project.</p>",
    ]
    for title, rows in _galleries(split, networks, scores):
        pictures = inline_png(figure_png(_montage(split, networks, rows), dpi=90)) if rows else ""
        image = f"<img src='{pictures}' alt='{escape(title)}'>" if rows else "<p>None.</p>"
        body.append(f"<h2>{escape(title)} ({len(rows)})</h2>{image}")
    write_text(path, "\n".join(body) + "\n")


def _galleries(
    split: AuditedSplit, networks: Sequence[OutOfSampleNetwork], scores: Floats
) -> Iterator[tuple[str, list[int]]]:
    labels, all_against = split.labels, votes(networks) == len(networks)
    rank = np.argsort(scores)
    for label in Label:
        ranked = [int(row) for row in rank if labels[row] == label]
        yield f"{label.name}, acquired least like PNEUMONIA", ranked[:EXAMPLES]
        yield f"{label.name}, acquired most like PNEUMONIA", ranked[-EXAMPLES:]
    yield "Exact duplicates, in pairs", _copies(split)
    for label in Label:
        against = all_against & (labels == label)
        yield f"{label.name}, all networks and the expert against", _rows(against & split.disputed)
        yield (
            f"{label.name}, all networks against, not the expert",
            _rows(against & ~split.disputed),
        )
    chosen = np.sum([candidates(network) for network in networks], axis=0) > 1
    yield "Candidates of confident learning of two networks", _rows(chosen)
    unusable = split.flags["unusable"]
    yield "Called unusable by the expert", _rows(unusable)


def _rows(chosen: Flags) -> list[int]:
    return np.flatnonzero(chosen).tolist()


def _copies(split: AuditedSplit) -> list[int]:
    paths = {split.manifest.root / e.path: row for row, e in enumerate(split.entries)}
    pairs = near_duplicates(list(paths), list(paths))
    return [
        paths[file]
        for pair in pairs
        if pair.exact and pair.first < pair.second
        for file in (pair.first, pair.second)
    ]


def _montage(
    split: AuditedSplit, networks: Sequence[OutOfSampleNetwork], rows: Sequence[int]
) -> Figure:
    columns = 6
    lines = -(-len(rows) // columns)
    size = (columns * _THUMBNAIL_INCHES * 1.25, lines * _THUMBNAIL_INCHES * 1.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, row in zip(grid, rows, strict=False):
        entry = split.entries[row]
        pixels = read_radiograph(split.manifest.root / entry.path).pixels
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1)
        says = " ".join(f"{network.test.probabilities[row]:.2f}" for network in networks)
        marks = ", ".join(name for name, marked in split.flags.items() if marked[row])
        lines_of = [Path(entry.path).stem[:26], f"expert: {split.expert[row]}", marks, says]
        axes.set_title("\n".join(line for line in lines_of if line), size=6, pad=2)
    return figure
