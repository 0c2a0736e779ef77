"""Administration in a real browser."""

from .conftest import ADMINISTRATOR, Drive


def test_administrators_create_users_tokens_and_sites(address: str, drive: Drive) -> None:
    inspected = ["administration", "choose-password"]
    drive("administration", address, inspected, administrator=ADMINISTRATOR)
