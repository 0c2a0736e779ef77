import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pneumoscope.dataset import Entry, Label, Manifest, Split
from pneumoscope.dataset.manifest import SplitBy
from pneumoscope.dataset.sources import list_images
from pneumoscope.dataset.splits import assign_splits, deal_folds, linked_groups, patient_groups
from pneumoscope.support.errors import DatasetError

NORMAL, PNEUMONIA = Label.NORMAL, Label.PNEUMONIA
TRAIN, VALIDATION, TEST = Split.TRAIN, Split.VALIDATION, Split.TEST

hypothesis_settings = settings(max_examples=150, derandomize=True, deadline=None)


def one_class_patients(sizes: dict[Label, Sequence[int]]) -> list[Entry]:
    """Make patients of one class with the given numbers of images, all different."""
    return [
        Entry(
            f"{label.name}/{patient}-{image}.png",
            label,
            patient=f"{label.name}{patient}",
            pixel_hash=f"{label.name} {patient} {image}",
        )
        for label in Label
        for patient, images in enumerate(sizes[label])
        for image in range(images)
    ]


@st.composite
def tangled_datasets(draw: st.DrawFn) -> list[Entry]:
    """Draw patients of both classes, images without a patient, and copies shared by patients."""
    patients = st.none() | st.integers(0, draw(st.integers(3, 20))).map("p{}".format)
    copies = st.none() | st.integers(0, draw(st.integers(3, 30))).map("h{}".format)
    images = st.tuples(st.sampled_from(Label), patients, copies)
    return [
        Entry(f"{number}.png", label, patient=patient, pixel_hash=copy or f"only {number}")
        for number, (label, patient, copy) in enumerate(draw(st.lists(images, min_size=8)))
    ]


def on_each_side(entries: Sequence[Entry], attribute: str) -> dict[str, set[Split | None]]:
    sides: dict[str, set[Split | None]] = defaultdict(set)
    for entry in entries:
        if (value := getattr(entry, attribute)) is not None:
            sides[value].add(entry.split)
    return sides


def count(entries: Sequence[Entry]) -> Counter[tuple[Split | None, Label]]:
    return Counter((entry.split, entry.label) for entry in entries)


@hypothesis_settings
@given(tangled_datasets(), st.integers(0, 3))
def test_no_patient_and_no_copy_is_in_two_splits(entries: list[Entry], seed: int) -> None:
    try:
        split = assign_splits(entries, SplitBy.PATIENT, seed)
    except DatasetError:
        assume(False)
    for attribute in ("patient", "pixel_hash"):
        assert all(len(sides) == 1 for sides in on_each_side(split, attribute).values())
    assert [replace(entry, split=None) for entry in split] == entries  # in order, none set aside
    assert all(count(split)[part, label] for part in Split for label in Label)


@st.composite
def patient_sizes(draw: st.DrawFn) -> dict[Label, list[int]]:
    return {label: draw(st.lists(st.integers(1, 4), min_size=20, max_size=60)) for label in Label}


@hypothesis_settings
@given(patient_sizes(), st.integers(0, 3))
def test_a_fifth_of_each_class_is_drawn_within_one_patient(
    sizes: dict[Label, list[int]], seed: int
) -> None:
    numbers = count(assign_splits(one_class_patients(sizes), SplitBy.PATIENT, seed))
    for label in Label:
        left = sum(sizes[label])
        for part in (TEST, VALIDATION):
            assert left / 5 - 5 < numbers[part, label] <= left / 5
            left -= numbers[part, label]
        assert numbers[TRAIN, label] == left


@hypothesis_settings
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=40), st.integers(0, 3))
def test_at_most_a_fifth_is_drawn_of_patients_with_both_classes(
    patients: list[tuple[int, int]], seed: int
) -> None:
    entries = [
        Entry(f"{patient} {label} {number}.png", label, patient=f"p{patient}")
        for patient, images in enumerate([(1, 0), (0, 1)] * 20 + patients)
        for label in Label
        for number in range(images[label])
    ]
    numbers = count(assign_splits(entries, SplitBy.PATIENT, seed))
    for label in Label:
        left = sum(numbers[part, label] for part in Split)
        assert 1 <= numbers[TEST, label] <= left / 5
        assert 1 <= numbers[VALIDATION, label] <= (left - numbers[TEST, label]) / 5


@hypothesis_settings
@given(st.integers(10, 60), st.integers(10, 60), st.integers(0, 3))
def test_by_image_the_count_is_the_notebooks(normal: int, ill: int, seed: int) -> None:
    train = one_class_patients({NORMAL: [normal], PNEUMONIA: [ill]})
    test = [Entry("test/a.png", NORMAL, split=TEST), Entry("test/b.png", PNEUMONIA, split=TEST)]
    numbers = count(assign_splits([*train, *test], SplitBy.IMAGE, seed))
    assert numbers[VALIDATION, NORMAL] == normal // 5
    assert numbers[VALIDATION, PNEUMONIA] == ill // 5
    assert (numbers[TEST, NORMAL], numbers[TEST, PNEUMONIA]) == (1, 1)


def test_by_image_patients_leak() -> None:
    entries = one_class_patients({NORMAL: [20] * 3, PNEUMONIA: [20] * 3})
    sides = on_each_side(assign_splits(entries, SplitBy.IMAGE, 0), "patient")
    assert any(len(splits) > 1 for splits in sides.values())


@pytest.mark.parametrize("split_by", SplitBy)
def test_the_seed_decides_the_split(split_by: SplitBy) -> None:
    entries = one_class_patients({NORMAL: [1, 2, 3] * 9, PNEUMONIA: [2, 1, 1] * 9})
    first = assign_splits(entries, split_by, seed=1)
    assert assign_splits(entries, split_by, seed=1) == first
    assert assign_splits(entries, split_by, seed=2) != first


@hypothesis_settings
@given(tangled_datasets())
def test_patients_and_copies_are_connected_to_groups(entries: list[Entry]) -> None:
    # The reference: walk from image to image over equal patients and equal pixels.
    component: dict[str, int] = {}
    for start in entries:
        reached = [start] if start.path not in component else []
        while reached:
            entry = reached.pop()
            if entry.path in component:
                continue
            component[entry.path] = int(start.path.removesuffix(".png"))
            reached += [
                other
                for other in entries
                if other.pixel_hash == entry.pixel_hash
                or (entry.patient is not None and other.patient == entry.patient)
            ]
    groups = linked_groups(entries)
    pairs = {(component[entry.path], groups[entry.group]) for entry in entries}
    assert len(pairs) == len({left for left, _ in pairs}) == len({right for _, right in pairs})


def declared(*rows: tuple[Split, Label, str, bool, str]) -> list[Entry]:
    return [
        Entry(
            f"{number}.png",
            label,
            split=split,
            patient=patient,
            patient_declared=sure,
            pixel_hash=copy,
        )
        for number, (split, label, patient, sure, copy) in enumerate(rows)
    ]


SOUND = [
    (split, label, f"{split} {label} {number}", True, f"{split} {label} {number}")
    for split in Split
    for label in Label
    for number in range(2)
]


@pytest.mark.parametrize("split_by", SplitBy)
def test_declared_splits_are_kept(split_by: SplitBy) -> None:
    entries = declared(*SOUND)
    assert assign_splits(entries, split_by, seed=0) == entries


def test_only_a_missing_split_is_drawn() -> None:
    entries = one_class_patients({NORMAL: [1] * 50, PNEUMONIA: [1] * 50})
    chosen = {entry.path for entry in entries[::7]}
    given_validation = [
        replace(entry, split=VALIDATION if entry.path in chosen else None) for entry in entries
    ]
    split = assign_splits(given_validation, SplitBy.PATIENT, seed=0)
    assert {entry.path for entry in split if entry.split is VALIDATION} == chosen
    assert count(split)[TEST, NORMAL] == (50 - sum("NORMAL" in path for path in chosen)) // 5


@pytest.mark.parametrize(
    ("part", "other"), [(TRAIN, TEST), (TRAIN, VALIDATION), (VALIDATION, TEST)]
)
def test_a_copy_of_a_declared_image_is_set_aside(part: Split, other: Split) -> None:
    entries = declared(
        (other, NORMAL, "a", False, "same"), (part, NORMAL, "b", False, "same"), *SOUND
    )
    kept, leak, *rest = assign_splits(entries, SplitBy.PATIENT, seed=0)
    assert kept == entries[0]
    assert leak.split is None
    assert leak.set_aside == f"exact duplicate of 0.png, which is in the {other} split"
    assert rest == entries[2:]
    assert assign_splits(entries, SplitBy.IMAGE, seed=0) == entries  # as the notebook has it


def near(entry: Entry, original: int) -> Entry:
    return replace(entry, near_duplicate_of=f"{original}.png")


def test_all_copies_of_a_declared_test_image_leave_train() -> None:
    """Two exact copies in train, and a near one of both in test."""
    first, second, test, *rest = declared(
        (TRAIN, NORMAL, "a", False, "same"),
        (TRAIN, NORMAL, "b", False, "same"),
        (TEST, NORMAL, "c", False, "other"),
        *SOUND,
    )
    split = assign_splits([first, second, near(test, 0), *rest], SplitBy.PATIENT, seed=0)
    assert [entry.split for entry in split[:3]] == [None, None, TEST]
    assert split[0].set_aside == "near duplicate of 2.png, which is in the test split"
    assert (
        split[1].set_aside
        == "linked by duplicates to an image or patient that is in the test split"
    )
    assert split[3:] == rest


def test_a_declared_patient_who_shares_an_image_with_one_of_test_leaves_train() -> None:
    """Patients p and q have the same image, so at least one number is wrong."""
    entries = declared(
        (TEST, NORMAL, "q", True, "same"),
        (TRAIN, NORMAL, "p", True, "same"),
        (TRAIN, NORMAL, "p", True, "further"),
        *SOUND,
    )
    split = assign_splits(entries, SplitBy.PATIENT, seed=0)
    assert [entry.split for entry in split[:3]] == [TEST, None, None]
    assert split[3:] == entries[3:]


def test_copies_within_a_split_stay() -> None:
    entries = declared((TEST, NORMAL, "a", True, "same"), (TEST, NORMAL, "b", True, "same"), *SOUND)
    assert assign_splits(entries, SplitBy.PATIENT, seed=0) == entries


def test_a_declared_patient_in_two_splits_is_set_aside() -> None:
    entries = declared((TRAIN, NORMAL, "p", True, "x"), (TEST, NORMAL, "p", True, "y"), *SOUND)
    leak, kept, *rest = assign_splits(entries, SplitBy.PATIENT, seed=0)
    assert (leak.split, leak.set_aside) == (None, "its patient is also in the test split")
    assert kept.split is TEST
    assert rest == entries[2:]


@pytest.mark.parametrize(("train", "test"), [(False, False), (True, False), (False, True)])
def test_a_number_in_a_file_name_is_no_leak(train: bool, test: bool) -> None:
    entries = declared((TRAIN, NORMAL, "p", train, "x"), (TEST, NORMAL, "p", test, "y"), *SOUND)
    assert assign_splits(entries, SplitBy.PATIENT, seed=0) == entries


def test_leaks_that_empty_a_class_of_train() -> None:
    copies = [(TRAIN, NORMAL, "a", True, "same"), (TEST, NORMAL, "b", True, "same")]
    others = [row for row in SOUND if row[:2] != (TRAIN, NORMAL)]
    with pytest.raises(DatasetError) as caught:
        assign_splits(declared(*copies, *others), SplitBy.PATIENT, seed=0)
    message = str(caught.value)
    assert message.startswith("no image of the class NORMAL is left in the train split")
    assert "0.png: exact duplicate of 1.png" in message


@pytest.mark.parametrize("split_by", SplitBy)
def test_a_declared_train_of_one_class(split_by: SplitBy) -> None:
    entries = declared(*(row for row in SOUND if row[:2] != (TRAIN, PNEUMONIA)))
    with pytest.raises(DatasetError, match=r"train split has no image of the class PNEUMONIA.*add"):
        assign_splits(entries, split_by, seed=0)


@pytest.mark.parametrize("patients", [1, 2])
def test_too_few_patients(patients: int) -> None:
    entries = one_class_patients({NORMAL: [9] * patients, PNEUMONIA: [1] * 30})
    with pytest.raises(
        DatasetError, match=r"at least 2 patients of the class NORMAL .* there are 1; add"
    ):
        assign_splits(entries, SplitBy.PATIENT, seed=0)


def test_three_patients_are_enough_for_three_splits() -> None:
    entries = one_class_patients({NORMAL: [9, 8, 7], PNEUMONIA: [1] * 30})
    split = assign_splits(entries, SplitBy.PATIENT, seed=0)
    assert sorted(count(split)[part, NORMAL] for part in Split) == [7, 8, 9]
    assert count(split)[TRAIN, NORMAL] == 9  # the smallest patients go


def test_patients_joined_by_copies_count_as_one() -> None:
    entries = one_class_patients({NORMAL: [1] * 3, PNEUMONIA: [1] * 30})
    entries = [
        replace(entry, pixel_hash="same") if entry.label is NORMAL else entry for entry in entries
    ]
    with pytest.raises(DatasetError, match=r"the class NORMAL .* there are 1; add"):
        assign_splits(entries, SplitBy.PATIENT, seed=0)


def test_train_keeps_both_classes_when_patients_have_both() -> None:
    # If A were drawn for NORMAL, and B, which is smaller, for PNEUMONIA, no NORMAL would be left.
    images = [("A", NORMAL, 1), ("B", NORMAL, 1), ("B", PNEUMONIA, 2), ("C", PNEUMONIA, 10)]
    entries = [
        Entry(f"{patient}{label}{number}.png", label, patient=patient)
        for patient, label, many in images
        for number in range(many)
    ]
    entries += [Entry(f"test{label}.png", label, split=TEST) for label in Label]
    for seed in range(8):
        with suppress(DatasetError):
            numbers = count(assign_splits(entries, SplitBy.PATIENT, seed))
            assert all(numbers[part, label] for part in Split for label in Label)


def test_the_notebooks_split_of_the_real_dataset(shared_data: Path) -> None:
    entries = list_images(shared_data / "chest_xray").entries
    numbers = count(assign_splits(entries, SplitBy.IMAGE, seed=0))
    assert numbers == {
        (TRAIN, NORMAL): 1_080,
        (VALIDATION, NORMAL): 269,
        (TRAIN, PNEUMONIA): 3_107,
        (VALIDATION, PNEUMONIA): 776,
        (TEST, NORMAL): 234,
        (TEST, PNEUMONIA): 390,
    }


def test_the_test_split_is_always_drawn_by_patient() -> None:
    entries = one_class_patients({NORMAL: [4] * 20, PNEUMONIA: [4] * 20})
    split = assign_splits(entries, SplitBy.IMAGE, seed=0)
    tested = {entry.group for entry in split if entry.split is TEST}
    assert tested
    assert not tested & {entry.group for entry in split if entry.split is not TEST}
    validated = {entry.group for entry in split if entry.split is VALIDATION}
    assert validated & {entry.group for entry in split if entry.split is TRAIN}


def test_each_patient_is_in_one_fold_and_test_is_unchanged() -> None:
    rng = random.Random(0)
    entries = [
        Entry(
            f"{label.name}/{patient}-{image}.png",
            label,
            patient=f"{label.name}-{patient}",
            pixel_hash=f"{label.name}-{patient // 2 * 2}-0" if image == 0 else None,
            split=Split.TEST if patient < 4 else rng.choice([Split.TRAIN, Split.VALIDATION]),
        )
        for label, patients in ((Label.NORMAL, 30), (Label.PNEUMONIA, 90))
        for patient in range(patients)
        for image in range(rng.randint(1, 4))
    ]
    folds = deal_folds(entries, 4, seed=0)
    held = [{entry.path for entry in fold if entry.split is Split.VALIDATION} for fold in folds]
    assert sum(map(len, held)) == len(set.union(*held))
    assert set.union(*held) == {e.path for e in entries if e.split is not Split.TEST}
    by_path = {entry.path: entry for entry in entries}
    for paths, fold in zip(held, folds, strict=True):
        assert [e.path for e in fold] == [e.path for e in entries]
        assert all(
            (new.split is Split.TEST) == (old.split is Split.TEST)
            for new, old in zip(fold, entries, strict=True)
        )
        patients = {by_path[path].patient for path in paths}
        copies = {by_path[path].pixel_hash for path in paths} - {None}
        for entry in fold:
            if entry.split is Split.TRAIN:
                assert entry.patient not in patients
                assert entry.pixel_hash not in copies
        for label in Label:
            total = sum(e.label is label and e.split is not Split.TEST for e in entries)
            share = sum(by_path[path].label is label for path in paths)
            assert share == pytest.approx(total / 4, abs=0.2 * total)
    assert deal_folds(entries, 4, seed=0) == folds
    assert deal_folds(entries, 4, seed=1) != folds


def test_too_few_patients_for_the_folds_are_refused() -> None:
    entries = [
        Entry(f"{label.name}{i}.png", label, patient=f"{label.name}{i % 2}", split=Split.TRAIN)
        for label in Label
        for i in range(6)
    ]
    with pytest.raises(DatasetError, match="3 folds need 3 patients of the class NORMAL"):
        deal_folds(entries, 3, seed=0)


def test_pages_count_the_patients_of_a_split_alike(children: Manifest) -> None:
    """Two of the 404 patient numbers of the published test split share an image."""
    test = children.of(Split.TEST)
    assert len({entry.group for entry in test}) == 404
    assert len(set(patient_groups(test))) == 403
