"""Cache of arrays on the disk: expensive to make, shared by all processes of this host."""

from platformdirs import user_cache_path

from pneumoscope.support.cache.array_cache import ArrayCache, CachedArray, WriteRows
from pneumoscope.support.cache.array_folder import CacheEntry

__all__ = ["ArrayCache", "CacheEntry", "CachedArray", "WriteRows", "open_user_cache"]


def open_user_cache() -> ArrayCache:
    """Open the user's cache of prepared arrays.

    Examples
    --------
    >>> open_user_cache()  # doctest: +ELLIPSIS
    <pneumoscope.support.cache.array_cache.ArrayCache object at ...>
    """
    return ArrayCache(user_cache_path("pneumoscope") / "arrays")
