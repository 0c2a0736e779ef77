"""Account page in a real browser."""

from .conftest import CLINICIAN, Drive


def test_users_look_after_their_own_accounts(address: str, drive: Drive) -> None:
    inspected = ["account", "second-factor", "recovery-codes", "sign-in-code"]
    drive("account", address, inspected, clinician=CLINICIAN)
