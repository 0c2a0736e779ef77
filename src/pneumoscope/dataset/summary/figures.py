"""Figures of a dataset's summary."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pneumoscope.dataset.manifest import Entry, Label, Split
from pneumoscope.dataset.summary.statistics import Summary
from pneumoscope.radiograph import read_radiograph

_COLOURS = {Label.NORMAL: "#1f6f8b", Label.PNEUMONIA: "#c8642b"}
_LUNGS = {Label.NORMAL: "Normal", Label.PNEUMONIA: "Pneumonic"}


def samples_figure(root: Path, entries: Sequence[Entry], label: Label, synthetic: bool) -> Figure:
    """Draw up to ten radiographs of a class in two rows of five, as the notebook does.

    The title says whether the images are ``synthetic``.
    """
    figure = Figure(figsize=(12, 6), layout="constrained")
    figure.suptitle(
        f"X-Ray Images of {_LUNGS[label]} Lungs" + " (synthetic)" * synthetic,
        fontsize=20,
        fontweight="bold",
    )
    for number, axes in enumerate(figure.subplots(2, 5).flat):
        axes.axis("off")
        if number < len(entries):
            pixels = read_radiograph(root / entries[number].path).pixels
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=1)
            axes.set_title(f"{label.name.capitalize()} {number + 1}")
    return figure


def counts_figure(summary: Summary) -> Figure:
    """Draw the numbers of images and known patients per split and class as bars."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = {"Images": summary.images}
    if summary.patients is not None:
        panels["Patients"] = summary.patients
    for axes, (name, counts) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for label in Label:
            heights = [counts[split][label] for split in Split]
            positions = np.arange(len(Split)) + (label - 0.5) * 0.4
            bars = axes.bar(positions, heights, 0.38, color=_COLOURS[label], label=label.name)
            axes.bar_label(bars, labels=[f"{height:,}" for height in heights], fontsize=8)
        axes.set_xticks(range(len(Split)), [split.value for split in Split])
        axes.margins(y=0.12)
        _finish(axes, name, "", "number")
    return figure


def images_per_patient_figure(images_per_patient: Mapping[Label, Mapping[int, int]]) -> Figure:
    """Draw the distribution of the number of images per patient, for each class."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, label in zip(figure.subplots(1, 2), Label, strict=True):
        counts = images_per_patient[label]
        axes.bar(list(counts), list(counts.values()), 0.8, color=_COLOURS[label])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_yscale("symlog", linthresh=1)
        _finish(axes, label.name, "images of the patient", "patients (logarithmic)")
    return figure


def sizes_figure(summary: Summary) -> Figure:
    """Draw width against height, and the distribution of their ratio."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    plane, ratio = figure.subplots(1, 2)
    aspects = [width / height for sizes in summary.sizes.values() for width, height in sizes]
    bins = np.histogram_bin_edges(aspects, 40)
    for label, sizes in summary.sizes.items():
        width, height = np.array(list(sizes), float).reshape(-1, 2).T
        number = np.array(list(sizes.values()), float)
        colour = _COLOURS[label]
        area = np.clip(8 * np.sqrt(number), 8, 120)
        plane.scatter(width, height, area, color=colour, alpha=0.4, label=label.name, lw=0)
        ratio.hist(width / height, bins, weights=number, color=colour, alpha=0.55, label=label.name)
    plane.set_xlim(left=0)
    plane.set_ylim(bottom=0)
    plane.margins(0.1)
    _finish(plane, "Size", "width (pixels)", "height (pixels)")
    _finish(ratio, "Aspect", "width / height", "images")
    return figure


def intensities_figure(summary: Summary) -> Figure:
    """Draw the share of pixels at each grey value, for each class."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    grey = np.arange(256) / 255
    for label, intensities in summary.intensities.items():
        percent = intensities.histogram * 100
        axes.fill_between(grey, percent, color=_COLOURS[label], alpha=0.2, lw=0)
        axes.plot(grey, percent, color=_COLOURS[label], lw=1.2, label=label.name)
    # Black borders would dwarf everything else, so the axis is scaled to the other grey values.
    inner = max(item.histogram[3:253].max() for item in summary.intensities.values())
    axes.set_ylim(0, max(130 * inner, 1e-6))
    axes.set_xlim(0, 1)
    _finish(axes, "", "grey value (0 = black, 1 = white)", "share of pixels (%)")
    return figure


def mean_images_figure(summary: Summary) -> Figure:
    """Draw the mean image of each class, and their difference."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    normal, pneumonia = (summary.intensities[label] for label in Label)
    panels = figure.subplots(1, 3)
    for axes, intensities, label in zip(panels, (normal, pneumonia), Label, strict=False):
        axes.imshow(intensities.mean, cmap="gray", vmin=0, vmax=1)
        axes.set_title(f"{label.name}, n = {intensities.images:,}", fontsize=10)
    difference = pneumonia.mean - normal.mean
    limit = max(float(np.abs(difference).max()), 1e-6)
    image = panels[2].imshow(difference, cmap="RdBu_r", vmin=-limit, vmax=limit)
    panels[2].set_title("PNEUMONIA − NORMAL", fontsize=10)
    figure.colorbar(image, ax=panels[2], shrink=0.75, label="grey value")
    for axes in panels:
        axes.axis("off")
    return figure


def _finish(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def draw_figures(
    summary: Summary, root: Path, samples: Mapping[Label, Sequence[Entry]], synthetic: bool
) -> dict[str, Figure]:
    """Draw all figures of a summary, by name, in the order of the page.

    Parameters
    ----------
    summary
        Statistics of the dataset; there are ``sizes`` only if the images have several.
    root
        Root of the manifest.
    samples
        Sample radiographs of each class.
    synthetic
        Whether the images are synthetic.
    """
    figures = {
        f"samples_{label.name.lower()}": samples_figure(root, entries, label, synthetic)
        for label, entries in samples.items()
    }
    figures["counts"] = counts_figure(summary)
    if summary.images_per_patient is not None:
        figures["images_per_patient"] = images_per_patient_figure(summary.images_per_patient)
    if summary.common_size is None:
        figures["sizes"] = sizes_figure(summary)
    figures["intensities"] = intensities_figure(summary)
    figures["mean_images"] = mean_images_figure(summary)
    return figures
