"""Recalibration of a bundle: calibration and thresholds fitted to a hospital's radiographs."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.fingerprint import fingerprint
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.evaluation.statistics.logistic_recalibration import (
    LogisticRecalibration,
    fit_recalibration,
)
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.evaluation.statistics.temperature_scaling import log_odds
from pneumoscope.export.bundle_metrics import choose_measured_points, measure_splits
from pneumoscope.reader.bundle import (
    CARD,
    Bundle,
    BundleRecord,
    Calibration,
    write_bundle,
)
from pneumoscope.reader.model_card import model_card
from pneumoscope.support.errors import PredictionsError
from pneumoscope.validation.local_validation import patients_by_class

MIN_PATIENTS_PER_CLASS = 10
"""Smallest number of patients of each class in either part of the local radiographs."""


@dataclass(frozen=True, slots=True, eq=False)
class RecalibratedBundle:
    """Recalibrated bundle, and its predictions and the old bundle's for the local test patients."""

    bundle: Bundle
    transform: LogisticRecalibration
    before: Predictions
    after: Predictions

    def sensitivity_warning(self, old: Bundle) -> str | None:
        """Return a warning if the sensitivity at an operating point is lower than before."""
        for name, point in self.bundle.record.operating_points.items():
            if name not in old.record.operating_points:
                continue
            old_threshold = old.record.operating_points[name].threshold
            before = measure(self.before, old_threshold).value("sensitivity")
            after = measure(self.after, point.threshold).value("sensitivity")
            if before is not None and after is not None and after < before:
                return (
                    f"At the operating point {name} the new bundle has a sensitivity of "
                    f"{after:.1%} on the test patients, and the old one {before:.1%}. Check that "
                    "the gain in specificity is worth it before the bundle is used"
                )
        return None


def recalibrate(
    bundle: Bundle, local: Predictions, out: Path, population: str, share: float, seed: int
) -> RecalibratedBundle:
    """Fit calibration and operating points on a part of the local patients, and write a bundle.

    Parameters
    ----------
    bundle
        Bundle to recalibrate; it is not changed.
    local
        Predictions of the bundle for labelled local radiographs.
    out
        Folder to write the new bundle to; must not exist.
    population
        Patients of the radiographs, in words.
    share
        Share of the patients to fit on, within (0, 1); the others are for testing.
    seed
        Random seed of the draw of patients.

    Raises
    ------
    PredictionsError
        If either part has fewer than `MIN_PATIENTS_PER_CLASS` patients of a class, or the 95 %
        interval of the AUC on the part to fit on reaches one half, or the fitted slope is not
        positive.
    """
    chosen = _draw_patients(local, share, seed)
    fit, test = local.rows(chosen), local.rows(~chosen)
    _require_enough_patients(fit, test)
    auc = bootstrap_metrics(fit, threshold=0.5)["auc"]
    if auc.low is None or auc.low <= 0.5:
        raise PredictionsError(
            f"{bundle.identity}: its AUC on these radiographs is {auc}: it may rank no better than "
            "chance, which no recalibration corrects. Do not use it here; label more radiographs, "
            "or train or adapt a model on local images"
        )
    transform = fit_recalibration(log_odds(fit.probabilities), fit.labels)
    if transform.slope <= 0:
        raise PredictionsError(
            f"{bundle.identity}: on these radiographs a few extreme probabilities go with the other"
            f" class (slope {transform.slope:.2f}), and recalibrated it would rank backwards. "
            "Check their labels; train or adapt a model on local images"
        )

    def apply(table: Predictions) -> Predictions:
        return replace(table, probabilities=transform.apply(log_odds(table.probabilities)))

    after = apply(test)
    patients = (
        f"{len(fit.files)} radiographs, {int(fit.labels.sum())} with pneumonia "
        f"({fit.describe_patients()}): {population}"
    )
    draw = (
        f"{share:g} of the {local.resampling_unit}s, seed {seed}, of the predictions "
        f"{fingerprint(local)[:12]}"
    )
    record = _new_record(bundle, transform, apply(fit), after, patients, draw)
    contents = {**bundle.contents, CARD: model_card(record).encode()}
    return RecalibratedBundle(write_bundle(out, record, contents), transform, test, after)


def _draw_patients(local: Predictions, share: float, seed: int) -> NDArray[np.bool_]:
    """Draw patients stratified by class and return a mask of their rows."""
    rng = np.random.default_rng(seed)
    patients = np.array(local.patients)
    ill = set(patients[local.labels == 1].tolist())
    chosen: set[str] = set()
    for group in (sorted(ill), sorted(set(local.patients) - ill)):
        order = rng.permutation(len(group))
        chosen |= {group[index] for index in order[: round(share * len(group))]}
    return np.array([patient in chosen for patient in local.patients])


def _require_enough_patients(fit: Predictions, test: Predictions) -> None:
    for purpose, table in (("fitting", fit), ("testing", test)):
        ill, healthy = patients_by_class(table)
        if min(ill, healthy) < MIN_PATIENTS_PER_CLASS:
            raise PredictionsError(
                f"the {table.resampling_unit}s drawn for {purpose} are {ill} with and {healthy} "
                f"without pneumonia, and at least {MIN_PATIENTS_PER_CLASS} of each are needed (a "
                "hundred are better); add labelled radiographs, or choose another --share"
            )


def _new_record(
    bundle: Bundle,
    transform: LogisticRecalibration,
    fit: Predictions,
    test: Predictions,
    patients: str,
    draw: str,
) -> BundleRecord:
    old = bundle.record
    change = bundle.change(
        f"calibration and operating points fitted on {patients} ({draw}); log-odds times "
        f"{transform.slope:.4g} plus {transform.intercept:.4g}"
    )
    return old.model_copy(
        update={
            "created": change.created,
            "notice": (
                f"Recalibrated on {patients}; its metrics hold for that site alone."
                + (f" Before that: {old.notice}" if old.notice else "")
            ),
            "pneumoscope": change.pneumoscope,
            "calibration": Calibration(
                temperature=old.calibration.temperature / transform.slope,
                intercept=transform.slope * old.calibration.intercept + transform.intercept,
                n=len(fit.files),
                fitted_on="local validation part",
            ),
            "operating_points": choose_measured_points(fit, test),
            "metrics": measure_splits({"validation": fit, "test": test}),
            "resampling_unit": "image" if fit.n_without_patient else test.resampling_unit,
            "limitations": (
                *old.limitations,
                f"Recalibrated on {patients}. Its metrics on validation and test hold for that "
                "site alone.",
            ),
            "history": (*old.history, change),
        }
    )
