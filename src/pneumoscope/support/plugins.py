"""Plugins: functions of other packages, found by an installed name or as MODULE:FUNCTION."""

import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from operator import attrgetter
from pathlib import Path
from typing import Any

from pneumoscope.support.errors import PluginError

_MODULE_AND_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class PluginSource:
    """Origin of a plugin, as a Run records it.

    Parameters
    ----------
    function
        Module and function, such as ``"own_network:build"``.
    distribution
        Name of the installed package that it belongs to; None where no installed package lists it,
        as with a folder on ``PYTHONPATH``.
    version
        Version of that package.
    digest
        SHA-256 of the Python files of its package, or of its module where that is a single file.
    """

    function: str
    distribution: str | None
    version: str | None
    digest: str

    def __str__(self) -> str:
        """Return the function, and the package with its version."""
        if self.distribution is None:
            return self.function
        return f"{self.function} of {self.distribution} {self.version}"

    @property
    def is_importable(self) -> bool:
        """Whether its module can be found."""
        try:
            return importlib.util.find_spec(self.function.partition(":")[0]) is not None
        except Exception:  # a package's own code runs where a module is looked for in it
            return False

    @property
    def how_to_install(self) -> str:
        """Words on how to make its module importable."""
        top = self.function.partition(":")[0].partition(".")[0]
        on_path = f"put the folder that holds {top} on PYTHONPATH"
        if self.distribution is None:
            return f"install the package that holds {top}, or {on_path}"
        return f"install {self.distribution} {self.version}, or {on_path}"


@dataclass(frozen=True)
class Plugin:
    """Function of another package.

    Parameters
    ----------
    name
        Name that it was asked for by: an installed name, or module and function.
    entry
        Entry point, which says where the function is.

    Examples
    --------
    >>> plugin = find_plugin("pneumoscope.metrics", "statistics:fmean")
    >>> plugin.load()([1, 2, 3])
    2.0
    """

    name: str
    entry: EntryPoint

    def load(self) -> Callable[..., Any]:
        """Import the function.

        Raises
        ------
        PluginError
            If its module cannot be imported, or has no such function.
        """
        module = self._import_module()
        try:
            function = attrgetter(self.entry.attr)(module)
        except AttributeError as error:
            raise PluginError(
                f"{self.name}: the module {self.entry.module} has no {self.entry.attr}; correct "
                "the name after the colon"
            ) from error
        if not callable(function):
            raise PluginError(
                f"{self.name}: {self.entry.attr} is a {type(function).__name__}, not a function; "
                "name a function"
            )
        return function  # type: ignore[no-any-return]

    def _import_module(self) -> object:
        module = self.entry.module
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if f"{module}.".startswith(f"{error.name}."):
                raise PluginError(
                    f"{self.name}: there is no module {error.name}; install the package that "
                    "holds it, put its folder on PYTHONPATH, or correct the name"
                ) from error
            raise PluginError(
                f"{self.name}: {module} needs the module {error.name}, which is not installed; "
                "install it"
            ) from error
        except Exception as error:
            raise PluginError(
                f"{self.name}: importing {module} failed ({type(error).__name__}: {error}); "
                "correct the module"
            ) from error

    def source(self) -> PluginSource:
        """Return the origin of the function, once it can be loaded; see `load`."""
        self.load()
        module = self.entry.module
        distribution = self._distribution()
        return PluginSource(
            f"{module}:{self.entry.attr}",
            distribution,
            None if distribution is None else version(distribution),
            _digest(module),
        )

    def _distribution(self) -> str | None:
        if self.entry.dist is not None:
            return self.entry.dist.name
        return _distribution_of(self.entry.module.partition(".")[0])


def installed_plugins(group: str) -> tuple[Plugin, ...]:
    """List the plugins that installed packages offer in a group of entry points, by name."""
    entries = sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value))
    return tuple(Plugin(entry.name, entry) for entry in entries)


def find_plugin(group: str, name: str) -> Plugin | None:
    """Find a plugin; None if no installed package offers one of that name.

    Parameters
    ----------
    group
        Group of entry points, such as ``"pneumoscope.models"``.
    name
        Name of an entry point, or module and function: ``"own_network:build"``.

    Raises
    ------
    PluginError
        If the name has a colon and is not MODULE:FUNCTION, or two packages offer it.
    """
    if ":" in name:
        if not _MODULE_AND_FUNCTION.fullmatch(name):
            raise PluginError(
                f"{name}: not MODULE:FUNCTION; write it like my_package.my_module:my_function"
            )
        return Plugin(name, EntryPoint(name, name, group))
    found = [plugin for plugin in installed_plugins(group) if plugin.name == name]
    if len(found) > 1:
        values = " and ".join(plugin.entry.value for plugin in found)
        raise PluginError(
            f"{name}: several installed packages offer it ({values}); name one of these instead"
        )
    return found[0] if found else None


@cache  # reads the lists of files of all installed packages
def _distribution_of(top: str) -> str | None:
    return next(iter(packages_distributions().get(top, ())), None)


def _digest(module: str) -> str:
    digest = hashlib.sha256()
    for name, content in _source_files(module):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _source_files(module: str) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the files of the outermost package around a loaded module."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        outermost = sys.modules[".".join(parts[:end])]
        if file := getattr(outermost, "__file__", None):  # a namespace package has none
            folder = Path(file).parent
            is_package = hasattr(outermost, "__path__")
            for path in sorted(folder.rglob("*.py")) if is_package else [Path(file)]:
                yield path.relative_to(folder).as_posix(), path.read_bytes()
            return
