"""A bundle made to fit a hospital: calibration and thresholds fitted anew on local radiographs."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import pneumoscope
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.fingerprint import fingerprint
from pneumoscope.evaluation.statistics.logistic_recalibration import (
    LogisticRecalibration,
    fit_recalibration,
)
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.evaluation.statistics.temperature_scaling import log_odds
from pneumoscope.export.measured import record_metrics, record_operating_points
from pneumoscope.reader.bundle import (
    CARD,
    Bundle,
    BundleRecord,
    Calibration,
    Change,
    write_bundle,
)
from pneumoscope.reader.model_card import model_card
from pneumoscope.support.errors import PredictionsError
from pneumoscope.validation.local_validation import patients_by_class

MIN_PATIENTS_PER_CLASS = 10
"""Patients of a class with fewer than which neither part is fitted on or tested."""


@dataclass(frozen=True, slots=True, eq=False)
class Recalibrated:
    """A new bundle, and what it and the old one say of the patients it was not fitted on.

    Parameters
    ----------
    bundle
        The new one.
    recalibration
        What became of log-odds.
    before, after
        The test part's predictions by the old and by the new bundle.
    """

    bundle: Bundle
    recalibration: LogisticRecalibration
    before: Predictions
    after: Predictions

    def found_less(self, old: Bundle) -> str | None:
        """Say at which operating point the new bundle finds less of the ill; None if nowhere."""
        for name, point in self.bundle.record.operating_points.items():
            if name not in old.record.operating_points:
                continue
            old_threshold = old.record.operating_points[name].threshold
            before = measure(self.before, old_threshold).value("sensitivity")
            after = measure(self.after, point.threshold).value("sensitivity")
            if before is not None and after is not None and after < before:
                return (
                    f"At {name} the new bundle finds {after:.1%} of pneumonia in the patients that "
                    f"it was not fitted on, where the old one finds {before:.1%}. Look at what is "
                    "gained for it before anyone reads with it"
                )
        return None


def recalibrate(
    bundle: Bundle, local: Predictions, out: Path, population: str, share: float, seed: int
) -> Recalibrated:
    """Fit calibration and operating points on a part of the local patients, and write a bundle.

    Parameters
    ----------
    bundle
        To begin with; it is left as it is.
    local
        What it said of labelled local radiographs.
    out
        Folder of the new bundle; new.
    population
        Whose radiographs they are, in words.
    share
        Of the patients to fit on, within (0, 1); the others test.
    seed
        Of the draw of patients.

    Raises
    ------
    PredictionsError
        If either part has fewer than `MIN_PATIENTS_PER_CLASS` patients of a class, or the bundle's order is the
        wrong way round here.
    """
    fitting = _drawn_patients(local, share, seed)
    fitted, tested = local.rows(fitting), local.rows(~fitting)
    _require_enough(fitted, tested)
    recalibration = fit_recalibration(log_odds(fitted.probabilities), fitted.labels)
    if recalibration.slope <= 0:
        raise PredictionsError(
            f"{bundle.identity}: on these radiographs a higher probability goes with less "
            f"pneumonia (slope {recalibration.slope:.2f}); no calibration mends that. Do not read "
            "with it here; train or adapt a model on local images"
        )

    def apply(part: Predictions) -> Predictions:
        return replace(part, probabilities=recalibration.apply(log_odds(part.probabilities)))

    after = apply(tested)
    drawn = f"{share:g} of the patients, seed {seed}, of the predictions {fingerprint(local)[:12]}"
    about = (
        f"{len(fitted.files)} radiographs of {len(set(fitted.patients))} patients "
        f"({int(fitted.labels.sum())} with pneumonia): {population}"
    )
    record = _new_record(bundle, recalibration, apply(fitted), after, (about, drawn))
    contents = {**bundle.contents, CARD: model_card(record).encode()}
    return Recalibrated(write_bundle(out, record, contents), recalibration, tested, after)


def _drawn_patients(local: Predictions, share: float, seed: int) -> NDArray[np.bool_]:
    """Draw patients of each class apart, so that both parts have as many of either."""
    rng = np.random.default_rng(seed)
    patients = np.array(local.patients)
    ill = set(patients[local.labels == 1].tolist())
    chosen: set[str] = set()
    for group in (sorted(ill), sorted(set(local.patients) - ill)):
        order = rng.permutation(len(group))
        chosen |= {group[place] for place in order[: round(share * len(group))]}
    return np.array([patient in chosen for patient in local.patients])


def _require_enough(fitted: Predictions, tested: Predictions) -> None:
    for name, part in (("to fit on", fitted), ("to test", tested)):
        ill, healthy = patients_by_class(part)
        if min(ill, healthy) < MIN_PATIENTS_PER_CLASS:
            raise PredictionsError(
                f"the patients drawn {name} are {ill} with and {healthy} without pneumonia, and "
                f"at least {MIN_PATIENTS_PER_CLASS} of each are needed (a hundred are better); bring more labelled "
                "radiographs, or choose another --share"
            )


def _new_record(
    bundle: Bundle,
    recalibration: LogisticRecalibration,
    fitted: Predictions,
    tested: Predictions,
    said: tuple[str, str],
) -> BundleRecord:
    old = bundle.record
    about, drawn = said
    now = datetime.now(UTC).isoformat(timespec="seconds")
    change = Change(
        created=now,
        pneumoscope=pneumoscope.__version__,
        previous=bundle.identity,
        description=(
            f"calibration and operating points fitted on {about} ({drawn}); log-odds times "
            f"{recalibration.slope:.4g} plus {recalibration.intercept:.4g}"
        ),
    )
    return old.model_copy(
        update={
            "created": now,
            "notice": (
                f"Recalibrated on {about}; its figures are of that place alone."
                + (f" Before that: {old.notice}" if old.notice else "")
            ),
            "pneumoscope": pneumoscope.__version__,
            "calibration": Calibration(
                temperature=old.calibration.temperature / recalibration.slope,
                intercept=recalibration.slope * old.calibration.intercept + recalibration.intercept,
                n=len(fitted.files),
                fitted_on="local validation part",
            ),
            "operating_points": record_operating_points(fitted, tested),
            "metrics": record_metrics({"validation": fitted, "test": tested}),
            "limitations": (
                *old.limitations,
                f"Recalibrated on {about}. Its figures of validation and test are of that place "
                "alone.",
            ),
            "history": (*old.history, change),
        }
    )
