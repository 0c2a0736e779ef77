"""The second factor of local accounts: codes of a device by time (TOTP), and recovery codes."""

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

RECOVERY_CODES = 10

_RECOVERY_BYTES = 15
"""120 random bits, which need no salt (OWASP ASVS 4.0.3, 2.6.2); 24 letters of base 32."""

_DIGITS = 6
_STEPS_OFF = 1
"""Of 30 seconds each, by which a device's clock may be wrong (RFC 6238, 5.2)."""

_PLAIN = 32
"""Letters of a secret that is not sealed, as they were kept once."""

log = logging.getLogger(__name__)


def begin(session: Session, vault: SecretBox, user_id: str, now: datetime) -> str:
    """Return a new secret for a user's device, in base 32; it counts once it is confirmed.

    Parameters
    ----------
    session
        In a transaction that writes.
    vault
        Of the clinic: what is kept is sealed.
    user_id
        Of the user.
    now
        With a time zone.

    Raises
    ------
    ClinicError
        If there is a second factor that counts.

    References
    ----------
    RFC 6238, TOTP: Time-Based One-Time Password Algorithm, 2011; SHA-1, 6 digits and 30 seconds,
    since that is what all authenticator apps take.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> from pneumoscope.clinic.identity.accounts import Role, create_user
    >>> from pneumoscope.clinic.storage.database import Database
    >>> database = Database(f"sqlite:///{getfixture('tmp_path')}/clinic.db")
    >>> now, vault = datetime.now(UTC), SecretBox(getfixture("tmp_path") / "key")
    >>> with database.writing() as session:
    ...     anna = create_user(session, "anna", Role.CLINICIAN, None, now)
    ...     device = pyotp.TOTP(begin(session, vault, anna.user_id, now))
    ...     recovery = confirm_enrolment(session, vault, anna.user_id, device.at(now), now)
    ...     later = now + timedelta(seconds=30)
    ...     for code in (device.at(now), device.at(later), recovery[0], recovery[0]):
    ...         print(verify_code(session, vault, anna.user_id, code, later))
    False
    True
    True
    False
    """
    if is_active(session, user_id):
        raise ClinicError("there is a second factor already; end it before you set up another")
    remove(session, user_id)
    secret = pyotp.random_base32()
    session.add(SecondFactor(user_id=user_id, secret=vault.seal(secret, user_id), begun=now))
    return secret


def confirm_enrolment(
    session: Session, vault: SecretBox, user_id: str, code: str, now: datetime
) -> list[str]:
    """Have a second factor count from now on; return its recovery codes, which nobody keeps.

    Raises
    ------
    ClinicError
        If none was begun, or the code is not of it.
    """
    factor = session.get(SecondFactor, user_id, with_for_update=True)
    if factor is None or factor.confirmed is not None:
        raise ClinicError("there is no second factor to be confirmed; begin to set one up")
    if not _takes_code(factor, vault, code, now):
        raise ClinicError(
            "this is not the code of now; see that the clock of your device is right, and try the "
            "next code"
        )
    factor.confirmed = now
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(code_sha256=_kept(one), user_id=user_id) for one in codes)
    return codes


def is_active(session: Session, user_id: str) -> bool:
    """Return whether a user signs in with a second factor."""
    return user_id in active(session, user_id)


def active(session: Session, *user_ids: str) -> set[str]:
    """Return those of some users who sign in with a second factor."""
    return set(
        session.scalars(
            select(SecondFactor.user_id).where(
                SecondFactor.confirmed.is_not(None), SecondFactor.user_id.in_(user_ids)
            )
        )
    )


def verify_code(session: Session, vault: SecretBox, user_id: str, code: str, now: datetime) -> bool:
    """Return whether a code of the device, or a recovery code, proves who it is; it is used up.

    Parameters
    ----------
    session
        In a transaction that writes and has locked the user.
    vault
        Of the clinic.
    user_id, code
        Of whom, and as it was typed.
    now
        With a time zone.
    """
    factor = session.get(SecondFactor, user_id)
    if factor is None or factor.confirmed is None:
        return False
    if _takes_code(factor, vault, code, now):
        return True
    used = delete(RecoveryCode).where(
        RecoveryCode.user_id == user_id, RecoveryCode.code_sha256 == _kept(code)
    )
    return session.scalars(used.returning(RecoveryCode.user_id)).one_or_none() is not None


def recovery_codes_left(session: Session, user_id: str) -> int:
    """Return how many recovery codes a user has not used."""
    codes = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
    return session.scalar(codes) or 0


def remove(session: Session, user_id: str) -> None:
    """Have a user sign in without a second factor."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))


def address(secret: str, name: str) -> str:
    """Return what a device is told, as an address that authenticator apps know.

    Examples
    --------
    >>> address("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "anna gross")
    'otpauth://totp/pneumoscope:anna%20gross?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=pneumoscope'
    """
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="pneumoscope")


def picture(address: str) -> str:
    """Return an address as a QR code for a device's camera, in SVG.

    Examples
    --------
    >>> picture("otpauth://totp/anna?secret=GEZDGNBVGY3TQOJQ")[:40]
    '<svg xmlns="http://www.w3.org/2000/svg" '
    """
    drawn = BytesIO()
    code = segno.make_qr(address)
    code.save(
        drawn, "svg", scale=4, light="white", xmldecl=False, nl=False, svgclass=None, lineclass=None
    )
    return drawn.getvalue().decode()


def seal_plain(session: Session, vault: SecretBox) -> None:
    """Seal the secrets that were kept as they are, by a version before this one."""
    plain = select(SecondFactor).where(func.length(SecondFactor.secret) == _PLAIN)
    for factor in session.scalars(plain.with_for_update()):
        factor.secret = vault.seal(factor.secret, factor.user_id)


def _takes_code(factor: SecondFactor, vault: SecretBox, code: str, now: datetime) -> bool:
    digits = code.replace(" ", "")
    if not (len(digits) == _DIGITS and digits.isascii() and digits.isdigit()):
        return False
    try:
        device = pyotp.TOTP(vault.open(factor.secret, factor.user_id))
        step = device.verify_and_get_timecode(digits, for_time=now, valid_window=_STEPS_OFF)
    except pyotp.OTPVerificationError:
        return False
    except StorageError as error:
        log.error(
            "no code of user %s can be compared: %s; a recovery code signs in, or an administrator "
            "resets the second factor",
            factor.user_id,
            error,
        )
        return False
    if step <= factor.last_step:
        return False
    factor.last_step = step
    return True


def _recovery_code() -> str:
    letters = b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _kept(code: str) -> str:
    """Return what is kept of a recovery code, however it is typed."""
    return digest(code.replace("-", "").replace(" ", "").upper())
