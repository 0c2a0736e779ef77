"""Cache of arrays on the disk: expensive to make, shared by all processes of this host."""

from pneumoscope.support.cache.array_cache import ArrayCache, CachedArray, WriteRows
from pneumoscope.support.cache.array_folder import CacheEntry

__all__ = ["ArrayCache", "CacheEntry", "CachedArray", "WriteRows"]
