"""Second factor of local accounts: time-based one-time passwords (TOTP) and recovery codes."""

import logging
import secrets
from base64 import b32encode
from datetime import datetime
from io import BytesIO

import pyotp
import segno
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.credentials import digest
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import RecoveryCode, SecondFactor
from pneumoscope.support.errors import ClinicError, StorageError

RECOVERY_CODE_COUNT = 10

_RECOVERY_CODE_BYTES = 15
"""120 random bits, which need no salt (OWASP ASVS 4.0.3, 2.6.2); 24 letters in base 32."""

_CODE_DIGITS = 6
_MAX_CLOCK_STEPS = 1
"""Tolerated clock error of a device, in steps of 30 seconds (RFC 6238, 5.2)."""

_UNSEALED_LENGTH = 32
"""Length of an unsealed secret, as older versions stored them; sealed ones are longer."""

log = logging.getLogger(__name__)


def begin_enrolment(session: Session, secret_box: SecretBox, user_id: str, now: datetime) -> str:
    """Create a TOTP secret for a user's device, in base 32; it takes effect once it is confirmed.

    Raises
    ------
    ClinicError
        If the user has an active second factor.

    References
    ----------
    RFC 6238, TOTP: Time-Based One-Time Password Algorithm, 2011; with SHA-1, 6 digits and steps of
    30 seconds, which all authenticator apps support.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> from pneumoscope.clinic.identity.accounts import Role, create_user
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now, secret_box = datetime.now(UTC), SecretBox(getfixture("tmp_path") / "key")
    >>> with database.writing() as session:
    ...     anna = create_user(session, "anna", Role.CLINICIAN, None, now)
    ...     device = pyotp.TOTP(begin_enrolment(session, secret_box, anna.user_id, now))
    ...     recovery = confirm_enrolment(session, secret_box, anna.user_id, device.at(now), now)
    ...     later = now + timedelta(seconds=30)
    ...     for code in (device.at(now), device.at(later), recovery[0], recovery[0]):
    ...         print(verify_code(session, secret_box, anna.user_id, code, later))
    False
    True
    True
    False
    """
    if is_active(session, user_id):
        raise ClinicError("there is a second factor already; turn it off to set up another")
    remove(session, user_id)
    secret = pyotp.random_base32()
    session.add(SecondFactor(user_id=user_id, secret=secret_box.seal(secret, user_id), begun=now))
    return secret


def confirm_enrolment(
    session: Session, secret_box: SecretBox, user_id: str, code: str, now: datetime
) -> list[str]:
    """Activate a second factor with its first code; return the recovery codes.

    Only digests of the recovery codes are stored, so they cannot be shown again.

    Raises
    ------
    ClinicError
        If no enrolment was begun, or the code is wrong.
    """
    factor = session.get(SecondFactor, user_id, with_for_update=True)
    if factor is None or factor.confirmed is not None:
        raise ClinicError("there is no second factor to confirm; start setting one up first")
    if not _accept_code(factor, secret_box, code, now):
        raise ClinicError(
            "this is not the current code; check the clock of your device and try the next code"
        )
    factor.confirmed = now
    codes = [_new_recovery_code() for _ in range(RECOVERY_CODE_COUNT)]
    session.add_all(
        RecoveryCode(code_sha256=_recovery_code_digest(code), user_id=user_id) for code in codes
    )
    return codes


def is_active(session: Session, user_id: str) -> bool:
    """Return whether a user has an active second factor."""
    return user_id in users_with_second_factor(session, user_id)


def users_with_second_factor(session: Session, *user_ids: str) -> set[str]:
    """Return those of the given users who have an active second factor."""
    return set(
        session.scalars(
            select(SecondFactor.user_id).where(
                SecondFactor.confirmed.is_not(None), SecondFactor.user_id.in_(user_ids)
            )
        )
    )


def verify_code(
    session: Session, secret_box: SecretBox, user_id: str, code: str, now: datetime
) -> bool:
    """Verify a TOTP or recovery code and use it up; return whether it was valid.

    The transaction must have locked the user.
    """
    factor = session.get(SecondFactor, user_id)
    if factor is None or factor.confirmed is None:
        return False
    if _accept_code(factor, secret_box, code, now):
        return True
    used = delete(RecoveryCode).where(
        RecoveryCode.user_id == user_id, RecoveryCode.code_sha256 == _recovery_code_digest(code)
    )
    return session.scalars(used.returning(RecoveryCode.user_id)).one_or_none() is not None


def count_recovery_codes(session: Session, user_id: str) -> int:
    """Return the number of unused recovery codes of a user."""
    codes = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
    return session.scalar(codes) or 0


def remove(session: Session, user_id: str) -> None:
    """Delete the second factor of a user and its recovery codes."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))


def otpauth_uri(secret: str, name: str) -> str:
    """Return the ``otpauth://`` URI that authenticator apps read a secret from.

    Examples
    --------
    >>> otpauth_uri("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "anna gross")
    'otpauth://totp/pneumoscope:anna%20gross?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=pneumoscope'
    """
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="pneumoscope")


def qr_code(uri: str) -> str:
    """Return a URI as a QR code, in SVG.

    Examples
    --------
    >>> qr_code("otpauth://totp/anna?secret=GEZDGNBVGY3TQOJQ")[:40]
    '<svg xmlns="http://www.w3.org/2000/svg" '
    """
    svg = BytesIO()
    code = segno.make_qr(uri)
    code.save(
        svg, "svg", scale=4, light="white", xmldecl=False, nl=False, svgclass=None, lineclass=None
    )
    return svg.getvalue().decode()


def seal_unsealed_secrets(session: Session, secret_box: SecretBox) -> None:
    """Seal the secrets that older versions stored unsealed."""
    unsealed = select(SecondFactor).where(func.length(SecondFactor.secret) == _UNSEALED_LENGTH)
    for factor in session.scalars(unsealed.with_for_update()):
        factor.secret = secret_box.seal(factor.secret, factor.user_id)


def _accept_code(factor: SecondFactor, secret_box: SecretBox, code: str, now: datetime) -> bool:
    digits = code.replace(" ", "")
    if not (len(digits) == _CODE_DIGITS and digits.isascii() and digits.isdigit()):
        return False
    try:
        device = pyotp.TOTP(secret_box.open(factor.secret, factor.user_id))
        step = device.verify_and_get_timecode(digits, for_time=now, valid_window=_MAX_CLOCK_STEPS)
    except pyotp.OTPVerificationError:
        return False
    except StorageError as error:
        log.error(
            "cannot verify codes of user %s: %s; sign in with a recovery code, or have an "
            "administrator reset the second factor",
            factor.user_id,
            error,
        )
        return False
    if step <= factor.last_step:
        return False
    factor.last_step = step
    return True


def _new_recovery_code() -> str:
    letters = b32encode(secrets.token_bytes(_RECOVERY_CODE_BYTES)).decode()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _recovery_code_digest(code: str) -> str:
    """Return the digest of a recovery code, whatever its case, hyphens and spaces."""
    return digest(code.replace("-", "").replace(" ", "").upper())
