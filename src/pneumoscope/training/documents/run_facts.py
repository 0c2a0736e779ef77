"""Facts about a finished Run that its documents state."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.reading_log import count_test_readings
from pneumoscope.dataset.splits import patient_groups
from pneumoscope.report.estimate import Estimate
from pneumoscope.training.evaluate import is_evaluated
from pneumoscope.training.run import Run


@dataclass(frozen=True, slots=True)
class SplitEvaluation:
    """Recorded evaluation of a Run on one split of n images.

    An image counts as PNEUMONIA from the threshold on; estimates have their 95 % intervals.
    """

    n: int
    threshold: float
    false_positives: int
    false_negatives: int
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Finished Run with its manifest, its recorded results, and the number of readings of test."""

    run: Run
    manifest: Manifest
    epochs: int
    test_readings: int
    evaluations: Mapping[Split, SplitEvaluation]

    @classmethod
    def of(cls, run: Run) -> "RunFacts":
        """Read the facts from a Run directory; the images are not needed.

        Raises
        ------
        RunError
            If the Run is not finished or damaged.
        """
        run.require_finished()
        evaluations = {
            split: _read_evaluation(run, split)
            for split in (Split.VALIDATION, Split.TEST)
            if is_evaluated(run, split)
        }
        readings = count_test_readings(run.folder, run.record.manifest_fingerprint)
        return cls(run, run.manifest(), len(run.history()), readings, evaluations)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the dataset's additional columns, such as age or view."""
        return tuple(sorted({name for entry in self.manifest.entries for name in entry.extra}))

    def describe_unknown_patients(self) -> str:
        """Return the number of images in use without a patient, in words."""
        count = len(self.manifest.images_without_patient)
        leakage = "; between their splits, leakage cannot be excluded" if count else ""
        return f"{count:,} images in use have no patient{leakage}"

    @property
    def reasons(self) -> str:
        """Reasons for which images were set aside, with numbers and without file names."""
        counts = Counter(_without_file(str(entry.set_aside)) for entry in self.manifest.set_aside)
        return "; ".join(f"{number:,}: {reason}" for reason, number in counts.most_common())

    def shared_patients(self, first: Split, second: Split) -> int:
        """Return the number of patients with images in both splits."""
        return len(self.manifest.shared_patients(first, second))

    def describe_split(self, split: Split) -> str:
        """Return the numbers of images, classes and patients of a split, in words."""
        entries = self.manifest.of(split)
        classes = ", ".join(
            f"{number:,} {label.name}" for label, number in self.manifest.counts()[split].items()
        )
        images = f"{split}: {len(entries):,} images ({classes})"
        if any(entry.patient is None for entry in entries):
            return images
        return f"{images} of {len(set(patient_groups(entries))):,} patients"


def _without_file(reason: str) -> str:
    return re.sub(r"duplicate of .*, which is", "duplicate of an image that is", reason)


def _read_evaluation(run: Run, split: Split) -> SplitEvaluation:
    record = json.loads((run.folder / "metrics" / f"{split}.json").read_text(encoding="utf-8"))
    estimates = {
        name: Estimate(record[name], *(interval or ()))
        for name, interval in record["intervals"].items()
    }
    (_, false_positives), (false_negatives, _) = record["confusion"]
    return SplitEvaluation(
        record["n"], record["threshold"], false_positives, false_negatives, estimates
    )
