"""Adapts a network that learned from children to adults, and judges it on adults never seen.

Cross-validation over patients of both folders of NIH ChestX-ray14, then a last training for a
bundle. Each training begins with a finished Run on the children, and goes on with a third of them
beside the adults, so that what they taught is not forgotten. The children's test split is not read
before the last training has finished.
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.machines import with_interval
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Split, open_dataset
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import adjusted_auc
from pneumoscope.training import ExampleStore, Recipe, Run, make_recipe, train
from pneumoscope.training.evaluate import evaluate_once, finished_network, read_predictions
from pneumoscope.training.trainer import predict

DATA = CHECKOUT.parent / "shared" / "data"
CHILDREN = "chest_xray"
ADULTS = ("nih_external", "nih_mixed")
RECIPE = CHECKOUT / "recipes" / "adults" / "recipe.yaml"
FOLDS = 5
SHARE = 3
"""Of so many children who are learned from, one is learned from again."""

OUT_OF_FOLD = "out_of_fold.csv"
"""What each adult was said to have by the training that had left the patient out."""

SENSITIVITY = 0.8
COLUMNS = ("file", "label", "patient", "split", "source", "view", "findings")

NEVER_SEEN_NOTE = f"""\
Out-of-fold: each adult is judged by the training whose fold left the patient out ({FOLDS} folds),
and compared with adults of the same fold: the mean of the folds' AUCs by van Elteren's weights.
Against: which adults without pneumonia it is told from. Intervals by patient, of what was trained
once; before is the Run that was begun with. AP are mostly bedside images of sicker people: within
one view that tells nothing."""

CHILDREN_NOTE = """\
The children's validation split, which no training learned from: AUC before, with its interval by
patient, and after, of the folds the mean (lowest to highest)."""

DISEASES_NOTE = f"""\
Adults without pneumonia by what their reports name (several at once count under each), called
PNEUMONIA at each fold's threshold whose recall is {SENSITIVITY} on the adults it left out.
Intervals by patient."""


@dataclass(frozen=True)
class Adult:
    """A row of the NIH folders' labels."""

    file: str
    folder: str
    patient: str
    view: str
    findings: tuple[str, ...]

    @property
    def ill(self) -> bool:
        """Whether the report names pneumonia."""
        return "Pneumonia" in self.findings

    @property
    def healthy(self) -> bool:
        """Whether the report names nothing."""
        return self.findings == ("No Finding",)

    def row(self, split: Split) -> dict[str, str]:
        """Return a row of a table of labels; another disease is no pneumonia."""
        return {
            "file": self.file,
            "label": "PNEUMONIA" if self.ill else "NORMAL",
            "patient": f"adult {self.patient}",
            "split": split.value,
            "source": self.folder,
            "view": self.view,
            "findings": "|".join(self.findings),
        }


def read_adults(data: Path) -> list[Adult]:
    """Read both tables of labels."""
    adults = []
    for folder in ADULTS:
        with (data / folder / "labels.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                path = f"{folder}/images/{row['file']}"
                findings = tuple(row["findings"].split("|"))
                adults.append(Adult(path, folder, row["patient"], row["view"], findings))
    return adults


def read_children(data: Path, start: Run) -> list[dict[str, str]]:
    """Return rows of every child of validation and test, and of a part of those learned from.

    Raises
    ------
    SystemExit
        If the Run to begin with learned from another split.
    """
    manifest = open_dataset(data / CHILDREN)
    if manifest.fingerprint != start.record.manifest_fingerprint:
        raise SystemExit(f"{start.folder}: learned from other data or another split than {data}")
    entries = manifest.in_use
    learned = sorted({entry.group for entry in entries if entry.split is Split.TRAIN})
    again = set(learned[::SHARE])
    return [
        {
            "file": f"{CHILDREN}/{entry.path}",
            "label": entry.label.name,
            "patient": f"child {entry.group}",
            "split": entry.split.value,
            "source": CHILDREN,
            "view": "",
            "findings": "",
        }
        for entry in entries
        if entry.split is not None and (entry.split is not Split.TRAIN or entry.group in again)
    ]


def deal(adults: Sequence[Adult]) -> NDArray[np.intp]:
    """Return the fold of each adult: patients stay together, folder and label are spread evenly."""
    kinds = [f"{adult.folder} {adult.ill} {adult.healthy}" for adult in adults]
    fold = np.zeros(len(adults), np.intp)
    dealt = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    patients = [adult.patient for adult in adults]
    for number, (_, held) in enumerate(dealt.split(kinds, kinds, patients)):
        fold[held] = number
    return fold


def train_on(rows: Sequence[Mapping[str, str]], data: Path, recipe: Recipe, folder: Path) -> Run:
    """Train on a table's rows, or go on with what was begun, and judge its test split once."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "labels.csv"
    write_table(rows, table)
    store = ExampleStore(open_dataset(table, data), open_cache())
    run = train(store, recipe, folder / recipe.model, resume=True)
    evaluate_once(run, store)
    return run


def write_table(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """Write rows as `pneumoscope data manifest` reads them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def fold_rows(
    children: Sequence[Mapping[str, str]],
    adults: Sequence[Adult],
    fold: NDArray[np.intp],
    held: int,
) -> Iterator[Mapping[str, str]]:
    """Yield a fold's table: the children's validation watches, the adults held out are judged."""
    yield from (row for row in children if row["split"] != Split.TEST.value)
    for adult, number in zip(adults, fold, strict=True):
        yield adult.row(Split.TEST if number == held else Split.TRAIN)


def last_rows(
    children: Sequence[Mapping[str, str]], adults: Sequence[Adult]
) -> Iterator[Mapping[str, str]]:
    """Yield the last table: all adults are learned from, children watch and are judged."""
    for row in children:
        if row["split"] == Split.TEST.value:
            # The same numbers in file names of train are other children: see docs/explanation/splits.md.
            yield {**row, "patient": f"{row['patient']} of test"}
        else:
            yield row
    for adult in adults:
        yield adult.row(Split.TRAIN)


@dataclass(frozen=True)
class Judged:
    """An adult, and what the training that had left the patient out said."""

    adult: Adult
    fold: int
    probability: float


def join(adults: Sequence[Adult], runs: Sequence[Run]) -> list[Judged]:
    """Give each adult its out-of-fold probability."""
    by_file = {adult.file: adult for adult in adults}
    return [
        Judged(by_file[file], fold, float(probability))
        for fold, run in enumerate(runs)
        for table in [read_predictions(run, Split.TEST)]
        for file, probability in zip(table.files, table.probabilities, strict=True)
    ]


def judge_before(start: Run, runs: Sequence[Run], data: Path) -> list[Judged]:
    """Let the Run that was begun with say what it thinks of each fold's adults."""
    by_file = {adult.file: adult for adult in read_adults(data)}
    network = finished_network(start)
    judged = []
    for fold, run in enumerate(runs):
        recipe = run.recipe
        examples = ExampleStore(run.manifest(data), open_cache()).pixels(Split.TEST, recipe)
        said = predict(network, examples, recipe.precision)
        judged += [
            Judged(by_file[entry.path], fold, float(probability))
            for entry, probability in zip(examples.entries, said, strict=True)
        ]
    return judged


def as_predictions(judged: Sequence[Judged]) -> Predictions:
    """Return the out-of-fold probabilities as a table."""
    return Predictions(
        files=tuple(one.adult.file for one in judged),
        labels=np.array([one.adult.ill for one in judged], np.int8),
        probabilities=np.array([one.probability for one in judged]),
        patients=tuple(one.adult.patient for one in judged),
    )


_AGAINST: Mapping[str, Callable[[Adult], bool]] = {
    "nih_external: no finding": lambda one: one.folder == ADULTS[0],
    "both: no finding": lambda one: one.ill or one.healthy,
    "both: other findings": lambda one: one.ill or not one.healthy,
    "both: all": lambda one: True,
    "nih_external, AP": lambda one: one.folder == ADULTS[0] and one.view == "AP",
    "nih_external, PA": lambda one: one.folder == ADULTS[0] and one.view == "PA",
}


def never_seen(before: Sequence[Judged], after: Sequence[Judged]) -> Iterator[dict[str, Cell]]:
    """Yield the AUC among adults, by what pneumonia is told from."""
    for name, wanted in _AGAINST.items():
        part = [one for one in after if wanted(one.adult)]
        ill = sum(one.adult.ill for one in part)
        yield {
            "against": name,
            "PNEUMONIA": ill,
            "others": len(part) - ill,
            "before": _auc([one for one in before if wanted(one.adult)]),
            "AUC": _auc(part),
        }


def _auc(part: Sequence[Judged]) -> str:
    labels = np.array([one.adult.ill for one in part], np.int8)
    said = np.array([one.probability for one in part])
    fold = np.array([one.fold for one in part])
    return with_interval(
        [one.adult.patient for one in part],
        lambda rows: adjusted_auc(labels[rows], said[rows], fold[rows]),
    )


def diseases(judged: Sequence[Judged]) -> Iterator[dict[str, Cell]]:
    """Yield how many of each disease are called pneumonia."""
    threshold = {fold: _threshold(judged, fold) for fold in {one.fold for one in judged}}
    well = [one for one in judged if not one.adult.ill]
    for name in sorted({finding for one in well for finding in one.adult.findings}):
        part = [one for one in well if name in one.adult.findings]
        called = np.array([one.probability >= threshold[one.fold] for one in part])
        share = with_interval(
            [one.adult.patient for one in part],
            lambda rows, called=called: float(called[rows].mean()),  # type: ignore[misc]
        )
        yield {"finding": name, "adults": len(part), "called PNEUMONIA": share}


def _threshold(judged: Sequence[Judged], fold: int) -> float:
    ill = [one.probability for one in judged if one.fold == fold and one.adult.ill]
    return float(np.quantile(ill, 1 - SENSITIVITY, method="lower"))


def _children_row(start: Run, runs: Sequence[Run]) -> dict[str, Cell]:
    table = read_predictions(start, Split.VALIDATION)
    after = [float(_validation_auc(run)) for run in runs]
    before = with_interval(
        table.patients,
        lambda rows: adjusted_auc(
            table.labels[rows], table.probabilities[rows], np.zeros(len(rows), np.intp)
        ),
    )
    return {
        "before": before,
        "after": f"{np.mean(after):.4f} ({min(after):.4f}–{max(after):.4f})",
        "change": f"{np.mean(after) - _validation_auc(start):+.4f}",
    }


def _validation_auc(run: Run) -> float:
    table = read_predictions(run, Split.VALIDATION)
    auc = adjusted_auc(table.labels, table.probabilities, np.zeros(len(table.files), np.intp))
    assert auc is not None
    return auc


def _tables(given: argparse.Namespace) -> Iterator[Table]:
    start = Run.open(given.start)
    adults, children = read_adults(given.data), read_children(given.data, start)
    if given.smallest:
        adults, children = adults[::8], children[::20]
    fold = deal(adults)
    settings = ["image_size=64", "epochs=1"] if given.smallest else []
    recipe = make_recipe("compact", given.recipe, [*settings, f"start={given.start}"])
    runs = [
        train_on(
            list(fold_rows(children, adults, fold, held)),
            given.data,
            recipe,
            given.runs / f"fold_{held}",
        )
        for held in range(FOLDS)
    ]
    before, judged = judge_before(start, runs, given.data), join(adults, runs)
    yield Table("Adults never seen", list(never_seen(before, judged)), NEVER_SEEN_NOTE)
    yield Table("Children", [_children_row(start, runs)], CHILDREN_NOTE)
    yield Table("Adults without pneumonia", list(diseases(judged)), DISEASES_NOTE)
    as_predictions(judged).write(given.runs / OUT_OF_FOLD)
    if not given.only_folds:
        train_on(list(last_rows(children, adults)), given.data, recipe, given.runs / "last")


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="default: %(default)s")
    parser.add_argument(
        "--start",
        type=Path,
        required=True,
        help="a finished Run on the children, such as 'train' makes",
    )
    parser.add_argument(
        "--runs", type=Path, required=True, help="gets the trainings; what is there goes on"
    )
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="default: %(default)s")
    parser.add_argument(
        "--only-folds", action="store_true", help="without the last training: to compare recipes"
    )
    given = parser.parse_args()
    publish("adults", list(_tables(given)), given.out)


if __name__ == "__main__":
    main()
