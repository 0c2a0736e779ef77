"""Datasets: sources, manifest, patient-grouped splits, pixels, downloads, summary, phantoms."""

from pneumoscope.dataset.build import open_dataset
from pneumoscope.dataset.manifest import Entry, Label, Manifest, Split
from pneumoscope.dataset.pixels import open_pixels

__all__ = ["Entry", "Label", "Manifest", "Split", "open_dataset", "open_pixels"]
