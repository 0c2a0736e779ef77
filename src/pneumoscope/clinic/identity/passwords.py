"""Password strength and password hashing."""

import re
import threading
import unicodedata
from collections.abc import Iterable
from typing import NewType

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from zxcvbn import zxcvbn

from pneumoscope.support.errors import ClinicError

MIN_PASSWORD_LENGTH = 15
"""For a password that is the only factor (NIST SP 800-63B-4, 3.1.1.2)."""

MAX_PASSWORD_LENGTH = 128
"""Enough for a sentence, and too short to make hashing slow (OWASP ASVS 4.0.3, 2.1.2)."""

_MIN_DISTINCT_CHARACTERS = 5
_MIN_CHECKED_NAME_LENGTH = 3
"""Shorter user names occur in too many good passwords to be forbidden there."""

_MIN_GUESSES = 1e10
"""Number of guesses that is infeasible against stolen hashes of a slow function (Wheeler, 2016)."""

_ESTIMATED_LENGTH = 72
"""Characters that the estimate looks at; further ones can only make a password stronger."""

_SERVICE_WORDS = ("pneumoscope", "pneumonia", "radiology", "radiograph", "clinic", "hospital")

PasswordHash = NewType("PasswordHash", str)
"""Hash of a password; a type of its own, so that no password is stored by mistake."""

_HASHER = PasswordHasher()
_HASHING_SLOTS = threading.BoundedSemaphore(4)
"""Limits simultaneous hashing: each hash takes 64 MiB and four threads."""

_ESTIMATOR_LOCK = threading.Lock()
"""zxcvbn keeps the word list of a call in global state."""


def require_strong_password(password: str, name: str, sites: Iterable[str] = ()) -> None:
    """Raise ClinicError if a password is easily guessed; no kinds of character are prescribed.

    That is if it is too short or too long, contains the user name, repeats a few characters, or
    needs too few guesses. Their number is estimated (zxcvbn): attackers try common passwords,
    words, names of the place, keyboard sequences and repetitions first.

    References
    ----------
    NIST SP 800-63B-4, Digital Identity Guidelines: Authentication and Authenticator Management,
    2025, section 3.1.1.2. D. L. Wheeler, zxcvbn: Low-Budget Password Strength Estimation, USENIX
    Security, 2016.

    Examples
    --------
    >>> require_strong_password("four words and a number 7", "anna")
    >>> require_strong_password("Anna is my own name", "anna")
    Traceback (most recent call last):
    pneumoscope.support.errors.ClinicError: the password contains the user name; ...
    """
    normalized = _normalize(password)
    counted_length = len(re.sub(" +", " ", normalized))  # repeated spaces count once
    if counted_length < MIN_PASSWORD_LENGTH or len(normalized) > MAX_PASSWORD_LENGTH:
        raise ClinicError(
            f"the password must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters; "
            "choose four or five words, for example"
        )
    if len(set(_fold(password))) < _MIN_DISTINCT_CHARACTERS:
        raise ClinicError(
            "the password repeats a few characters; choose one with at least "
            f"{_MIN_DISTINCT_CHARACTERS} different ones"
        )
    if len(name) >= _MIN_CHECKED_NAME_LENGTH and _fold(name) in _fold(password):
        raise ClinicError("the password contains the user name; leave it out")
    if _estimate_guesses(password, _name_words([name, *sites, *_SERVICE_WORDS])) < _MIN_GUESSES:
        raise ClinicError(
            "the password is easily guessed: it consists of common passwords, names, sequences or "
            "repetitions; choose four or five unrelated words"
        )


def _estimate_guesses(password: str, words: list[str]) -> float:
    estimated = unicodedata.normalize("NFKC", password)[:_ESTIMATED_LENGTH]
    with _ESTIMATOR_LOCK:
        return float(zxcvbn(estimated, words)["guesses"])


def _name_words(names: Iterable[str]) -> list[str]:
    """Return names as an attacker tries them: whole, without spaces, and word by word.

    Examples
    --------
    >>> _name_words(["St Mary"])
    ['st mary', 'stmary', 'st', 'mary']
    """
    words = [
        word for name in map(_fold, names) for word in (name, name.replace(" ", ""), *name.split())
    ]
    return list(dict.fromkeys(words))


def hash_password(password: str) -> PasswordHash:
    """Return the argon2id hash of a password, with its salt and parameters.

    Hashing takes a tenth of a second, so do it outside of write transactions.

    References
    ----------
    RFC 9106, Argon2 Memory-Hard Function for Password Hashing and Proof-of-Work Applications,
    2021; with the low-memory parameters of section 4, the default of argon2-cffi.

    Examples
    --------
    >>> hash_password("four words and a number 7")[:31]
    '$argon2id$v=19$m=65536,t=3,p=4$'
    """
    with _HASHING_SLOTS:
        return PasswordHash(_HASHER.hash(_normalize(password)))


def verify_password(password: str, password_hash: str | None) -> bool:
    """Return whether a password matches a hash; takes as long as `hash_password` in every case.

    Examples
    --------
    >>> stored = hash_password("four words and a number 7")
    >>> verify_password("four words and a number 7", stored), verify_password("five words", stored)
    (True, False)
    >>> verify_password("four words and a number 7", None)
    False
    """
    if password_hash is None:
        hash_password(password)  # takes the same time, so that nobody learns which names exist
        return False
    try:
        with _HASHING_SLOTS:
            return _HASHER.verify(password_hash, _normalize(password))
    except VerifyMismatchError:
        return False


def needs_rehash(password_hash: str) -> bool:
    """Return whether a hash was made with other parameters than those of new hashes.

    Examples
    --------
    >>> needs_rehash(hash_password("four words and a number 7"))
    False
    """
    return _HASHER.check_needs_rehash(password_hash)


def _normalize(password: str) -> str:
    """Return the same characters for the same text, whichever keyboard it was typed on."""
    return unicodedata.normalize("NFC", password)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
