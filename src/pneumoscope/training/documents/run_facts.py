"""What a finished Run recorded, gathered once for the documents that tell of it."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.reading_log import count_test_readings
from pneumoscope.report.estimate import Estimate
from pneumoscope.training.evaluate import is_judged
from pneumoscope.training.run import Run


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the Run recorded of one split.

    Parameters
    ----------
    n
        Images.
    threshold
        Called PNEUMONIA from here on.
    false_positives, false_negatives
        Images at that threshold.
    figures
        Metrics by name, with their 95 % intervals.
    """

    n: int
    threshold: float
    false_positives: int
    false_negatives: int
    figures: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A finished Run, its manifest and its recorded figures.

    Parameters
    ----------
    run, manifest
        The Run, and what it was trained on.
    epochs
        How many were trained.
    test_readings
        How often the test split was read.
    judged
        The splits that the Run was judged on.
    """

    run: Run
    manifest: Manifest
    epochs: int
    test_readings: int
    judged: Mapping[Split, Judgement]

    @classmethod
    def of(cls, run: Run) -> "RunFacts":
        """Read them from a Run directory; the images are not needed.

        Raises
        ------
        RunError
            If the Run is not finished or damaged.
        """
        run.require_finished()
        judged = {
            split: _judgement(run, split)
            for split in (Split.VALIDATION, Split.TEST)
            if is_judged(run, split)
        }
        readings = count_test_readings(run.folder, run.record.manifest_fingerprint)
        return cls(run, run.manifest(), len(run.history()), readings, judged)

    @property
    def columns(self) -> tuple[str, ...]:
        """The further columns that the source's table had, such as age or view."""
        return tuple(sorted({name for entry in self.manifest.entries for name in entry.extra}))

    @property
    def patients_unknown(self) -> int:
        """Images in use of which nobody says whose they are."""
        return sum(entry.patient is None for entry in self.manifest.in_use)

    @property
    def reasons(self) -> str:
        """How many images were set aside, and why, in words; no file is named."""
        found = Counter(_without_file(str(entry.set_aside)) for entry in self.manifest.set_aside)
        return "; ".join(f"{number:,}: {reason}" for reason, number in found.most_common())

    def shared_patients(self, one: Split, other: Split) -> int:
        """Count the patients with images in both splits."""
        first, second = (
            {entry.patient for entry in self.manifest.of(split)} for split in (one, other)
        )
        return len((first & second) - {None})

    def split_in_words(self, split: Split) -> str:
        """Count a split's images, classes and patients."""
        entries = self.manifest.of(split)
        classes = ", ".join(
            f"{number:,} {label.name}" for label, number in self.manifest.counts()[split].items()
        )
        patients = len({entry.group for entry in entries})
        return f"{split}: {len(entries):,} images ({classes}) of {patients:,} patients"


def _without_file(reason: str) -> str:
    return re.sub(r"duplicate of .*, which is", "duplicate of an image that is", reason)


def _judgement(run: Run, split: Split) -> Judgement:
    record = json.loads((run.folder / "metrics" / f"{split}.json").read_text(encoding="utf-8"))
    figures = {}
    for name, interval in record["intervals"].items():
        figures[name] = Estimate(record[name], *(interval or ()))
    (_, false_positives), (false_negatives, _) = record["confusion"]
    return Judgement(record["n"], record["threshold"], false_positives, false_negatives, figures)
