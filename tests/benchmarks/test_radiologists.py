"""Radiologists' readings of the NIH images."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.adults_auc import (
    BY_MINED_LABELS,
    BY_RADIOLOGISTS,
    AdultPrediction,
    Contrast,
)
from benchmarks.adults_data import Adult, Labels, read_adults
from benchmarks.radiologists import RadiologistReading, RsnaClass, read_radiologists
from pneumoscope.lungs import Box

HEAD = "file,label,rsna_class,rsna_boxes_1024px_xywh,google2019_airspace_opacity"
OPACITY, ABNORMAL, NORMAL = RsnaClass


def write(folder: Path, *rows: str) -> Path:
    (folder / "radiologists.csv").write_text("\n".join([HEAD, *rows, ""]))
    return folder


def test_classes_boxes_and_opacities_are_read(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        "a.jpg,PNEUMONIA,Lung Opacity,512 256 128 64;0 0 1024 1024,YES",
        "b.jpg,NORMAL,No Lung Opacity / Not Normal,,NO",
        "c.jpg,NORMAL,,,",
    )
    readings = read_radiologists(folder)
    assert readings["a.jpg"].boxes == (Box(0.5, 0.25, 0.625, 0.3125), Box(0, 0, 1, 1))
    assert readings["a.jpg"].airspace_opacity is True
    assert readings["b.jpg"] == RadiologistReading(ABNORMAL, (), False)
    assert readings["c.jpg"] == RadiologistReading()


@pytest.mark.parametrize(
    "row",
    [
        "a.jpg,NORMAL,Opacity,,",
        "a.jpg,NORMAL,,,MAYBE",
        "a.jpg,PNEUMONIA,Lung Opacity,900 0 200 100,",
        "a.jpg,PNEUMONIA,Lung Opacity,900 0 20,",
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(SystemExit, match=r"radiologists.csv, line 3: cannot be read"):
        read_radiologists(write(tmp_path, "b.jpg,NORMAL,Normal,,", row))


def make_adult(
    finding: str, rsna_class: RsnaClass | None = None, airspace_opacity: bool | None = None
) -> Adult:
    reading = RadiologistReading(rsna_class, (), airspace_opacity)
    return Adult("a.jpg", "nih_mixed", "1", "PA", (finding,), reading)


ILL, HEALTHY, OTHER = "Pneumonia", "No Finding", "Effusion"

GROUPS = [
    # (adult, against no finding, against other findings, against Normal): +, - or left out
    (make_adult(ILL, OPACITY), "+++"),
    (make_adult(HEALTHY, OPACITY), "+++"),  # what the report says does not count
    (make_adult(OTHER, OPACITY, False), "+++"),
    (make_adult(HEALTHY), "-  "),
    (make_adult(HEALTHY, NORMAL), "- -"),
    (make_adult(HEALTHY, ABNORMAL), " - "),
    (make_adult(HEALTHY, None, True), "   "),
    (make_adult(HEALTHY, NORMAL, True), "   "),
    (make_adult(ILL, NORMAL), "  -"),
    (make_adult(ILL, ABNORMAL), " - "),
    (make_adult(ILL, ABNORMAL, True), "   "),
    (make_adult(OTHER, ABNORMAL), " - "),
    (make_adult(OTHER), "   "),
    (make_adult(ILL), "   "),
]


@pytest.mark.parametrize(("adult", "groups"), GROUPS)
def test_groups_by_radiologists(adult: Adult, groups: str) -> None:
    def group(contrast: Contrast) -> str:
        assert not (contrast.is_positive(adult) and contrast.is_other(adult))
        return "+" if contrast.is_positive(adult) else "-" if contrast.is_other(adult) else " "

    assert "".join(map(group, BY_RADIOLOGISTS)) == groups


@pytest.mark.parametrize(
    ("adult", "cleaned"),
    [
        (make_adult(ILL, NORMAL), False),
        (make_adult(ILL, ABNORMAL, True), False),
        (make_adult(ILL, None, False), False),
        (make_adult(ILL), True),
        (make_adult(OTHER, OPACITY), True),
        (make_adult(HEALTHY), False),
    ],
)
def test_cleaned_labels_are_the_radiologists_where_they_read(adult: Adult, cleaned: bool) -> None:
    assert adult.is_pneumonia(Labels.CLEANED) is cleaned
    assert adult.is_pneumonia(Labels.MINED) is (adult.findings == (ILL,))


def test_an_auc_is_of_pairs_within_folds() -> None:
    """By hand: both pairs of fold 0 are won, the one of fold 1 is lost; weights 2/4 and 1/3."""
    predictions = [
        AdultPrediction(make_adult(finding, rsna_class), fold, probability)
        for finding, rsna_class, fold, probability in [
            (ILL, OPACITY, 0, 0.3),
            (HEALTHY, None, 0, 0.1),
            (HEALTHY, NORMAL, 0, 0.2),
            (OTHER, ABNORMAL, 0, 0.9),
            (ILL, OPACITY, 1, 0.5),
            (HEALTHY, None, 1, 0.6),
        ]
    ]
    no_finding, other_findings, normal = BY_RADIOLOGISTS
    assert no_finding.count(predictions) == (2, 3)
    expected = (2 / 4) / (2 / 4 + 1 / 3)
    assert float(no_finding.auc(predictions).split()[0]) == pytest.approx(expected, abs=5e-4)
    assert other_findings.auc(predictions).startswith("0.000")
    assert normal.auc(predictions).startswith("1.000")


def test_numbers_of_readings(shared_data: Path) -> None:
    """As counted from the files by hand; 43 % of the ill who were read show an opacity."""
    adults = read_adults(shared_data)
    read = [adult for adult in adults if adult.reading.rsna_class is not None]
    of_folder = Counter(adult.folder for adult in read)
    assert of_folder == {"nih_external": 178, "nih_mixed": 207}
    assert all(bool(adult.reading.boxes) is (adult.reading.rsna_class is OPACITY) for adult in read)
    ill = [adult.reading.rsna_class for adult in read if adult.ill]
    assert ill.count(OPACITY) / len(ill) == pytest.approx(0.43, abs=0.005)
    predictions = [AdultPrediction(adult, 0, 0) for adult in adults]
    by_radiologists = [contrast.count(predictions) for contrast in BY_RADIOLOGISTS]
    assert by_radiologists == [(91, 361), (91, 149), (91, 143)]
    mined = [contrast.count(predictions) for contrast in BY_MINED_LABELS]
    assert mined[:4] == [(271, 378), (271, 485), (271, 863), (255, 278)]
