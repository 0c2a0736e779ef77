"""Time zones by their IANA names, such as ``Europe/Berlin``."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LOCAL_TIME = Path("/etc/localtime")


def parse_time_zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name; ValueError if there is none.

    Examples
    --------
    >>> parse_time_zone("Europe/Berlin").key
    'Europe/Berlin'
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder's name
        raise ValueError("no such time zone; give an IANA name, such as Europe/Berlin") from error


def host_time_zone() -> str:
    """Return the name of this host's time zone; UTC if it cannot be told."""
    linked = str(_LOCAL_TIME.resolve()).partition("zoneinfo/")[2]
    for name in (os.environ.get("TZ", "").removeprefix(":"), linked):
        try:
            return parse_time_zone(name).key if name else "UTC"
        except ValueError:
            continue
    return "UTC"
