"""Pseudonyms of patients and UIDs, and shifts of dates."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from pneumoscope.clinic.privacy.pseudonyms import Pseudonyms


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_pseudonym_depends_on_the_secret_the_site_and_the_export(site: str, patient: str) -> None:
    def pseudonym(secret: str, export: str | None, site: str) -> str:
        return Pseudonyms(secret, export).patient(site, patient)

    first = pseudonym("secret", "1", site)
    assert first == pseudonym("secret", "1", site)
    different = [
        pseudonym("other", "1", site),
        pseudonym("secret", "2", site),
        pseudonym("secret", None, site),
        pseudonym("secret", "1", site + "x"),
    ]
    assert len({first, *different}) == 5


@given(st.text(min_size=1), st.text(min_size=1))
def test_parts_of_a_hashed_text_cannot_be_shifted(first: str, second: str) -> None:
    pseudonyms = Pseudonyms("secret", None)
    assert pseudonyms.patient(first + second, "x") != pseudonyms.patient(first, second + "x")


def test_a_pseudonym_is_not_a_plain_hash() -> None:
    name = Pseudonyms("secret", None).patient("site", "P-1")
    for text in (b"P-1", b"siteP-1", b"site P-1", b"patientsiteP-1"):
        assert name[1:] not in sha256(text).hexdigest()


@given(st.text())
def test_uids_are_valid_and_dates_go_back(text: str) -> None:
    pseudonyms = Pseudonyms("secret", None)
    assert UID(pseudonyms.uid(text)).is_valid
    assert pseudonyms.uid(text) != pseudonyms.uid(text + "1")
    assert -3650 <= pseudonyms.shift(text).days <= -1
