"""Pseudonyms of patients, studies and UIDs, derived with a secret of the installation."""

import hmac
from datetime import timedelta
from uuid import UUID

from pydicom.uid import UID

_MAX_SHIFT_DAYS = 3650


class Pseudonyms:
    """Pseudonyms of one export, the same for the same identifier.

    A pseudonym is a keyed hash (HMAC with SHA-256, RFC 2104) of the identifier. Unlike a plain
    hash, it cannot be found by trying identifiers without the installation's secret.

    Parameters
    ----------
    secret
        Secret of the installation.
    export
        Identifier of the export, whose pseudonyms differ from those of other exports. None for
        pseudonyms that are the same in all such exports, so that later ones can be joined.

    Examples
    --------
    >>> first, second, linked = (Pseudonyms("secret", export) for export in ("1", "2", None))
    >>> first.patient("site", "P-1") == first.patient("site", "P-1")
    True
    >>> len({export.patient("site", "P-1") for export in (first, second, linked)})
    3
    """

    def __init__(self, secret: str, export: str | None) -> None:
        purpose = "linked" if export is None else f"export {export}"
        self._key = hmac.digest(secret.encode(), purpose.encode(), "sha256")

    def patient(self, site: str, identifier: str) -> str:
        """Return the pseudonym of a patient at a site."""
        return "P" + self._hash("patient", site, identifier).hex()[:24]

    def name(self, kind: str, identifier: str) -> str:
        """Return the pseudonym of a study or an image."""
        return self._hash(kind, identifier).hex()[:24]

    def uid(self, original: str) -> UID:
        """Return the pseudonym of a UID, itself a UID derived from a UUID (PS3.5, B.2).

        Examples
        --------
        >>> Pseudonyms("secret", "1").uid("1.2.3").is_valid
        True
        """
        return UID(f"2.25.{UUID(bytes=self._hash('uid', original)[:16], version=5).int}")

    def shift(self, patient: str) -> timedelta:
        """Return the shift of a patient's dates: whole days, up to ten years back."""
        number = int.from_bytes(self._hash("shift", patient)[:8])
        return -timedelta(days=1 + number % _MAX_SHIFT_DAYS)

    def _hash(self, *words: str) -> bytes:
        # Length-prefixed, so that different lists of words never give the same text.
        text = "".join(f"{len(word)}:{word}" for word in words)
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
