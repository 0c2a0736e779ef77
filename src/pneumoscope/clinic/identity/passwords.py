"""Passwords: which are good enough, and how they are kept."""

import re
import threading
import unicodedata
from collections.abc import Iterable
from typing import NewType

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from zxcvbn import zxcvbn

from pneumoscope.support.errors import ClinicError

SHORTEST = 15
"""Characters of a password that is the only factor (NIST SP 800-63B-4, 3.1.1.2)."""

LONGEST = 128
"""A sentence, and not so much that hashing it keeps others waiting (OWASP ASVS 4.0.3, 2.1.2)."""

_FEWEST_DIFFERENT = 5
_SHORTEST_NAME = 3
"""A shorter name is in too many good passwords to say anything."""

_FEWEST_GUESSES = 1e10
"""What withstands guessing by who has stolen the hashes of a slow function (Wheeler, 2016)."""

_ENOUGH_TO_SEE = 72
"""Characters from the start by which guesses are estimated: what is hard so far stays so."""

_OURS = ("pneumoscope", "pneumonia", "radiology", "radiograph", "clinic", "hospital")

PasswordHash = NewType("PasswordHash", str)
"""What is kept of a password, so that nobody keeps the password itself by mistake."""

_HASHER = PasswordHasher()
_HASHING = threading.BoundedSemaphore(4)
"""Each hash takes 64 MiB and four threads: many who sign in at once take turns."""

_ESTIMATES = threading.Lock()
"""The estimator keeps the words of a call where the next one would find them."""


def require_strong_password(password: str, name: str, sites: Iterable[str] = ()) -> None:
    """Refuse a password that is easily guessed; which kinds of character it has is free.

    Guessers begin with common passwords, words, names of the place, and letters in a row or over
    and over; in how many tries they would find a password is estimated, and all those that are
    common are found early.

    Parameters
    ----------
    password
        As the user chose it.
    name
        Of the user, which must not be in it.
    sites
        Names of the clinic's sites, which make it no harder to guess.

    Raises
    ------
    ClinicError
        If it is too short or too long, has the name in it, repeats a few characters, or is found
        early by who guesses.

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
    pneumoscope.support.errors.ClinicError: the password has the user's name in it; ...
    """
    if len(_spaced(_normal(password))) < SHORTEST or len(_normal(password)) > LONGEST:
        raise ClinicError(
            f"the password is too short or too long; choose one of {SHORTEST} to {LONGEST} "
            "characters, for example four or five words"
        )
    if len(set(_folded(password))) < _FEWEST_DIFFERENT:
        raise ClinicError(
            "the password repeats a few characters; choose one with at least "
            f"{_FEWEST_DIFFERENT} different ones"
        )
    if len(name) >= _SHORTEST_NAME and _folded(name) in _folded(password):
        raise ClinicError("the password has the user's name in it; leave the name out")
    if _guesses(password, _words([name, *sites, *_OURS])) < _FEWEST_GUESSES:
        raise ClinicError(
            "the password is easily guessed: it is made of common passwords, names, or letters in "
            "a row or over and over; choose four or five words that have nothing to do with each "
            "other"
        )


def _guesses(password: str, words: list[str]) -> float:
    seen = unicodedata.normalize("NFKC", password)[:_ENOUGH_TO_SEE]
    with _ESTIMATES:
        return float(zxcvbn(seen, words)["guesses"])


def _words(names: Iterable[str]) -> list[str]:
    """Return names as guessers try them: whole, run together and word by word.

    Examples
    --------
    >>> _words(["St Mary"])
    ['st mary', 'stmary', 'st', 'mary']
    """
    tried = [
        word
        for name in map(_folded, names)
        for word in (name, name.replace(" ", ""), *name.split())
    ]
    return list(dict.fromkeys(tried))


def hash_password(password: str) -> PasswordHash:
    """Return what to keep of a password: its argon2id hash, with salt and parameters.

    It takes a tenth of a second, so it does not belong into a transaction that writes.

    References
    ----------
    RFC 9106, Argon2 Memory-Hard Function for Password Hashing and Proof-of-Work Applications,
    2021; the parameters are those of section 4 for little memory, the default of argon2-cffi.

    Examples
    --------
    >>> hash_password("four words and a number 7")[:31]
    '$argon2id$v=19$m=65536,t=3,p=4$'
    """
    with _HASHING:
        return PasswordHash(_HASHER.hash(_normal(password)))


def matches(password: str, password_hash: str | None) -> bool:
    """Return whether a password is the one that was kept; where none was, the work is the same.

    It takes as long as `hash_password`.

    Examples
    --------
    >>> kept = hash_password("four words and a number 7")
    >>> matches("four words and a number 7", kept), matches("five words", kept)
    (True, False)
    >>> matches("four words and a number 7", None)
    False
    """
    if password_hash is None:
        hash_password(password)  # as long as it takes to compare with a hash
        return False
    try:
        with _HASHING:
            return _HASHER.verify(password_hash, _normal(password))
    except VerifyMismatchError:
        return False


def is_outdated(password_hash: str) -> bool:
    """Return whether a hash has other parameters than a new one would have.

    Examples
    --------
    >>> is_outdated(hash_password("four words and a number 7"))
    False
    """
    return _HASHER.check_needs_rehash(password_hash)


def _normal(password: str) -> str:
    """Return the same characters for the same text, whichever keyboard it was typed on."""
    return unicodedata.normalize("NFC", password)


def _spaced(text: str) -> str:
    """Return what counts of a password's length: blanks in a row are one."""
    return re.sub(" +", " ", text)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
