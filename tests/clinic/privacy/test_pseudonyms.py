from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from pneumoscope.clinic.privacy.pseudonyms import Pseudonyms


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_pseudonym_depends_on_the_secret_the_site_and_the_export(site: str, patient: str) -> None:
    def made(secret: str, export: str | None, where: str) -> str:
        return Pseudonyms(secret, export).patient(where, patient)

    here = made("secret", "1", site)
    assert here == made("secret", "1", site)
    others = [
        made("other", "1", site),
        made("secret", "2", site),
        made("secret", None, site),
        made("secret", "1", site + "x"),
    ]
    assert len({here, *others}) == 5


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_parts_of_what_is_hashed_cannot_be_shifted(first: str, second: str) -> None:
    names = Pseudonyms("secret", None)
    assert names.patient(first + second, "x") != names.patient(first, second + "x")


def test_it_is_no_plain_hash() -> None:
    name = Pseudonyms("secret", None).patient("ward", "P-1")
    for tried in (b"P-1", b"wardP-1", b"ward P-1", b"patientwardP-1"):
        assert name[1:] not in sha256(tried).hexdigest()


@given(st.text())
def test_uids_are_valid_and_dates_go_back(text: str) -> None:
    names = Pseudonyms("secret", None)
    assert UID(names.uid(text)).is_valid
    assert names.uid(text) != names.uid(text + "1")
    assert -3650 <= names.shift(text).days <= -1
