"""View of a manifest in Jupyter notebooks: counts, unit of the split and warnings."""

from pneumoscope.dataset.build import warn_of_few_images
from pneumoscope.dataset.manifest import Label, Manifest
from pneumoscope.dataset.patients import describe_split_unit, warn_of_unknown_patients
from pneumoscope.report.jupyter import data_table, paragraph, view, warning


def view_manifest(manifest: Manifest) -> str:
    """Return a manifest as HTML; no path or patient is in it."""
    rows = [
        [split.value, *(f"{classes[label]:,}" for label in Label), f"{sum(classes.values()):,}"]
        for split, classes in manifest.counts().items()
    ]
    warnings = [warn_of_unknown_patients(manifest), warn_of_few_images(manifest)]
    if manifest.synthetic:
        warnings.append("Synthetic images: results say nothing about patients.")
    if manifest.set_aside:
        warnings.append(
            f"Images set aside: {len(manifest.set_aside):,}. The column set_aside of to_frame() "
            "has the reasons."
        )
    return view(
        f"Dataset of {len(manifest.in_use):,} images",
        data_table("Images in use", ["Split", *(label.name for label in Label), "both"], rows),
        paragraph(
            f"Split by {describe_split_unit(manifest)}; seed {manifest.seed}; fingerprint "
            f"{manifest.fingerprint[:12]}."
        ),
        *(warning(text) for text in warnings if text is not None),
    )
