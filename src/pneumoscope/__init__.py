"""Detection of pneumonia on chest radiographs: reading, training, evaluation, a clinic's server.

Examples
--------
>>> import pneumoscope
>>> reader = pneumoscope.load()  # doctest: +SKIP
>>> reader.read("chest.jpeg").probability  # doctest: +SKIP
0.97
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pneumoscope.reader import load

__version__ = "0.2.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import ``load`` at its first use: training and evaluating do not need the reader."""
    if name != "load":
        raise AttributeError(f"module 'pneumoscope' has no attribute '{name}'")
    from pneumoscope.reader import load

    return load
