"""Comparison of patients; the pairs of names are those of DICOM PS3.5 and of everyday mistakes."""

from datetime import date

import pytest

from pneumoscope.clinic.queue.patient_identity import (
    PatientIdentity,
    contradictions,
    differences,
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Kim^Tiny", "tiny kim"),
        ("KIM^TINY^^^", "Kim, Tiny"),
        ("Müller^Änne", "Mueller^Anne"),
        ("Müller^Änne", "MULLER^ANNE"),
        ("Mu\u0308ller^A\u0308nne", "Müller^Änne"),  # decomposed
        ("Weiß^Zoë", "WEISS^ZOE"),
        ("Sørensen^Åse", "Soerensen^Aase"),
        ("Łukasiewicz^Józef", "Lukasiewicz^Jozef"),
        ("O'Brien^Sean", "OBrien^Seán"),
        ("Nuñez García^José", "NUNEZ-GARCIA^JOSE"),
        ("Sørensen^Åse", "Sorensen^Aase"[:9] + "Ase"),
        ("Kim^T", "Kim^Tiny"),  # an initial
        ("Smith^Mary^J", "Smith^Mary^Jane"),
        ("J. Smith", "Smith^John"),
        ("Dr. John Smith", "Smith^John^^Dr"),
        ("Garcia^Ana", "García López^Ana"),
        ("Tiny^Kim", "Kim^Tiny"),  # interchanged
        ("Kim", "Kim^Tiny"),
        ("van der Berg", "van der Berg^Jan"),
        ("Jean-Luc Picard", "Picard^Jeanluc"),
        ("KIM TINY^^^^", "Kim^Tiny"),  # all in one component
        ("Kim^Tiny^Anna^Dr", "Kim^Tiny"),  # middle name and title
        ("van der Berg^Jan", "Vanderberg^Jan"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田^太郎"),  # PS3.5, H.3
        ("Yamada^Tarou", "山田^太郎"),  # different scripts cannot be compared
        ("Hong^Gildong=洪^吉洞=홍^길동", "HONG^GILDONG"),  # PS3.5, I.2
        ("ヤマダ^タロウ", "やまだ^たろう"),
        ("Kim^Tiny", None),
        ("Kim^Tiny", "^^^^"),
    ],
)
def test_names_of_one_person_agree(first: str, second: str | None) -> None:
    for pair in ((first, second), (second, first)):
        assert contradictions(*(PatientIdentity("1", name=name) for name in pair)) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Kim^Tiny", "Kim^Tim"),
        ("Kim^Tiny", "Lee^Tiny"),
        ("Smith^J", "Jones^S"),  # initials of each other's names
        ("J. Smith", "S. Jones"),
        ("J S", "Smith^John"),  # initials alone
        ("Smith^J^^Dr", "Jones^S^^Dr"),  # and a title
        ("van der Berg^J", "van der Jagt^B"),  # and particles
        ("K^Tiny", "Kim^Tiny"),
        ("Smith^J", "Smith^Mary^Jane"),  # the initial of another given name
        ("Smith^John^^^Jr", "Smith^John^^^Sr"),
        ("tiny kim", "Lee^Tiny"),
        ("tiny kim", "Kim^Tom"),
        ("KIM TINY^^^^", "Kim^Tom"),
        # Letters that look like transliterations, but are names of others.
        ("Müller^Anna", "Möller^Anna"),
        ("Müller^Anna", "Moller^Anna"),
        ("Mueller^Anna", "Muller^Anna"),  # neither says that it is Müller
        ("Kim^Joe", "Kim^Jo"),
        ("Kim^Michael", "Kim^Michal"),
        ("Bae^Tiny", "Ba^Tiny"),
        ("Kim^Sue", "Kim^Su"),
        ("たが^はな", "たか^はな"),  # a mark that is another syllable
        ("Smith^Baby", "Smith^John"),
        ("Yamada^Tarou=山田^太郎", "Suzuki^Hanako=鈴木^花子"),
        ("Yamada^Tarou=山田^太郎", "Yamada^Tarou=山田^太朗"),  # sounds the same
        ("山田^太郎", "山本^太郎"),
        ("山田^花子", "鈴木^さくら"),  # a given name in kana beside ideographs
        ("ヤマダ^ユーコ", "ヤマダ^ハナコ"),  # with the sign of a long vowel
        ("Kealoha^Keʻala", "Smith^John"),  # with a letter that is an apostrophe to others
    ],
)
def test_names_of_two_persons_contradict_each_other(first: str, second: str) -> None:
    for pair in ((first, second), (second, first)):
        assert contradictions(*(PatientIdentity("1", name=name) for name in pair)) == ("name",)


@pytest.mark.parametrize(
    ("first", "second", "contradictory"),
    [("F", "M", True), ("f", "female", False), ("F", "O", False), ("F", None, False)],
)
def test_sexes(first: str, second: str | None, contradictory: bool) -> None:
    found = contradictions(PatientIdentity(sex=first), PatientIdentity(sex=second))
    assert found == (("sex",) if contradictory else ())


ANNA = PatientIdentity("K001", "A", "Kim^Anna", date(2023, 1, 1), "F")


@pytest.mark.parametrize(
    ("study", "image", "expected"),
    [
        (ANNA, ANNA, ()),
        (ANNA, PatientIdentity("K001"), ()),
        (ANNA, PatientIdentity(), ()),  # says nothing of another patient
        (ANNA, PatientIdentity("K999", "A"), ("patient ID",)),
        (ANNA, PatientIdentity("K001", "B"), ("issuer of the patient ID",)),
        (ANNA, PatientIdentity("K001", birth_date=date(2023, 1, 2)), ("birth date",)),
        (PatientIdentity(), PatientIdentity("K001"), ("patient ID",)),
        (PatientIdentity(), PatientIdentity(name="Kim^Anna"), ("patient",)),
        (PatientIdentity(name="Kim"), PatientIdentity(name="Kim^Anna"), ()),
    ],
)
def test_an_image_belongs_to_a_study_only_if_nothing_differs(
    study: PatientIdentity, image: PatientIdentity, expected: tuple[str, ...]
) -> None:
    assert differences(study, image) == expected
