"""``pneumoscope cache``: the cache of prepared pixels and features on disk."""

import typer

from pneumoscope.cli import options
from pneumoscope.support.terminal import results

app = typer.Typer(
    help="Manage the cache on disk: prepared pixels and VGG16 features.", no_args_is_help=True
)


@app.command("list")
def list_entries() -> None:
    """List the entries of the cache, with their size and time of last use.

    Every entry can be made again from the images; the least recently used ones make room for new
    ones.

    Example:

        pneumoscope cache list
    """
    from rich.filesize import decimal

    from pneumoscope.cli.tables import cache_table

    cache = options.open_cache()
    results.print(cache_table(cache))
    total = decimal(sum(entry.bytes for entry in cache.entries()))
    limit = decimal(int(cache.limit))
    results.print(f"{total} of at most {limit} in {cache.folder}", soft_wrap=True)


@app.command("clear")
def clear() -> None:
    """Remove all entries of the cache; they are made again when needed.

    Downloaded weights stay.

    Example:

        pneumoscope cache clear
    """
    from rich.filesize import decimal

    cache = options.open_cache()
    removed = cache.clear()
    freed = decimal(sum(entry.bytes for entry in removed))
    results.print(f"Removed: {len(removed)}, {freed} freed in {cache.folder}", soft_wrap=True)
    if left := len(cache.entries()):
        results.print(f"Left: {left}, in use by another process or not owned by you")
