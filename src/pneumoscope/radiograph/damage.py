"""Error for damaged files, on which Pillow, pydicom and its plugins raise many kinds of errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from pneumoscope.support.errors import UnreadableRadiographError


@contextmanager
def report_damage(problem: str, remedy: str) -> Iterator[None]:
    """Raise `UnreadableRadiographError` for any error of the block that is not one already."""
    try:
        yield
    except UnreadableRadiographError:
        raise
    except Exception as error:
        raise UnreadableRadiographError(f"{problem} ({error}); {remedy}") from error
