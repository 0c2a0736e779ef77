"""Names that tell nothing of whom they stand for, made with a secret of the installation."""

import hmac
from datetime import timedelta
from uuid import UUID

from pydicom.uid import UID

_MOST_DAYS = 3650


class Pseudonyms:
    """What stands for identifiers in one export, the same for the same identifier.

    A pseudonym is a keyed hash (HMAC with SHA-256, RFC 2104) of the identifier: without the
    installation's secret nobody can try out which identifier gives it, as one can with a plain
    hash.

    Parameters
    ----------
    secret
        Of the installation.
    export
        Of which export: those of another have nothing in common with them. None for pseudonyms
        that stay the same in all exports, so that what comes later can be joined.

    Examples
    --------
    >>> one, other, kept = (Pseudonyms("secret", name) for name in ("1", "2", None))
    >>> one.patient("ward", "P-1") == one.patient("ward", "P-1")
    True
    >>> len({each.patient("ward", "P-1") for each in (one, other, kept)})
    3
    """

    def __init__(self, secret: str, export: str | None) -> None:
        purpose = "linked" if export is None else f"export {export}"
        self._key = hmac.digest(secret.encode(), purpose.encode(), "sha256")

    def patient(self, site: str, identifier: str) -> str:
        """Return what stands for a patient of a site."""
        return "P" + self._hash("patient", site, identifier).hex()[:24]

    def name(self, kind: str, identifier: str) -> str:
        """Return what stands for a study or an image."""
        return self._hash(kind, identifier).hex()[:24]

    def uid(self, original: str) -> UID:
        """Return what stands for a UID: one that is made of a UUID (PS3.5, B.2).

        Examples
        --------
        >>> Pseudonyms("secret", "1").uid("1.2.3").is_valid
        True
        """
        return UID(f"2.25.{UUID(bytes=self._hash('uid', original)[:16], version=5).int}")

    def shift(self, patient: str) -> timedelta:
        """Return by how much a patient's dates are moved: whole days, up to ten years back."""
        number = int.from_bytes(self._hash("shift", patient)[:8])
        return -timedelta(days=1 + number % _MOST_DAYS)

    def _hash(self, *words: str) -> bytes:
        # With their lengths, so that no two lists of words are one text.
        text = "".join(f"{len(word)}:{word}" for word in words)
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
