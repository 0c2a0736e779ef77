"""Many images: sources, the manifest, patient-grouped splits, pixels, summaries and phantoms."""

from pneumoscope.dataset.build import open_dataset
from pneumoscope.dataset.manifest import Entry, Label, Manifest, Split
from pneumoscope.dataset.pixels import load_pixels

__all__ = ["Entry", "Label", "Manifest", "Split", "load_pixels", "open_dataset"]
