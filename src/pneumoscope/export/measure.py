"""Metrics of a test split stated by a bundle: what its findings mean on images it has not seen."""

from pathlib import Path

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.export.bundle_metrics import measure_splits, with_test_metrics
from pneumoscope.reader.bundle import CARD, Bundle, write_bundle
from pneumoscope.reader.model_card import model_card


def state_test_metrics(bundle: Bundle, test: Predictions, out: Path, source: str) -> Bundle:
    """Write a copy of a bundle that states the metrics of its findings on test images.

    Network, calibration and thresholds stay as they are; the identity is another.

    Parameters
    ----------
    bundle
        Bundle to copy.
    test
        Calibrated predictions of the bundle for images that nothing was chosen on.
    out
        Folder to write the copy to; must not exist.
    source
        Where the images come from, in words.

    Raises
    ------
    StorageError
        If the folder is not empty, or cannot be written.
    """
    ill = int(test.labels.sum())
    change = bundle.change(
        f"states its metrics on the test split of {source}: {len(test.files)} radiographs, {ill} "
        f"with pneumonia ({test.describe_patients()})"
    )
    points = bundle.record.operating_points
    record = bundle.record.model_copy(
        update={
            "operating_points": {
                name: with_test_metrics(point, test) for name, point in points.items()
            },
            "metrics": {**bundle.record.metrics, **measure_splits({"test": test})},
            "history": (*bundle.record.history, change),
        }
    )
    return write_bundle(out, record, {**bundle.contents, CARD: model_card(record).encode()})
