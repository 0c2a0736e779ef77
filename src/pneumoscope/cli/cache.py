"""Commands on what is kept on disk to be faster the next time."""

import typer

from pneumoscope.cli.options import open_cache
from pneumoscope.support.terminal import results

app = typer.Typer(
    help="Prepared pixels and features of VGG16 that are kept on disk.", no_args_is_help=True
)


@app.command("list")
def list_kept() -> None:
    """List what is kept, with its size and when it was last used.

    Example:

      pneumoscope cache list
    """
    from rich.filesize import decimal

    from pneumoscope.cli.tables import cache_table

    cache = open_cache()
    results.print(cache_table(cache))
    total = decimal(sum(entry.bytes for entry in cache.entries()))
    limit = decimal(int(cache.limit))
    results.print(f"{total} of at most {limit} in {cache.folder}", soft_wrap=True)


@app.command("clear")
def clear() -> None:
    """Remove all that is kept; it is made anew when it is needed.

    Downloaded weights stay.

    Example:

      pneumoscope cache clear
    """
    from rich.filesize import decimal

    cache = open_cache()
    removed = cache.clear()
    freed = decimal(sum(entry.bytes for entry in removed))
    results.print(f"Removed: {len(removed)}, {freed} freed in {cache.folder}", soft_wrap=True)
    if left := len(cache.entries()):
        results.print(f"Left: {left}, in use by another process or not yours to remove")
