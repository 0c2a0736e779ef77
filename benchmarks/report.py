"""Options, description of the host, and tables that all benchmarks share."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from pneumoscope.support.files import write_text
from pneumoscope.support.host import usable_cores
from pneumoscope.training.environment import describe_environment

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Spread:
    """A mean over seeds, with the lowest and the highest value."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise one value per seed."""
        return cls(fmean(values), min(values), max(values))

    @property
    def width(self) -> float:
        """Distance from the lowest to the highest value."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f}–{self.high:.3f})"


Cell = str | int | float | Spread | None


@dataclass(frozen=True)
class Table:
    """A table of measurements.

    Parameters
    ----------
    title
        Heading of the table.
    rows
        Values by column, the same columns in each row; None where a value is missing.
    note
        Explanation below the table.
    """

    title: str
    rows: Sequence[Mapping[str, Cell]]
    note: str = ""

    def markdown(self) -> str:
        """Return the table in Markdown, numbers with three digits."""
        columns = list(self.rows[0])
        lines = [columns, ["---"] * len(columns)]
        lines += [[_show(row[column]) for column in columns] for row in self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join(part for part in (f"## {self.title}", table, self.note) if part)


def option_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--out",
        type=absolute_path,
        default=CHECKOUT / "benchmarks" / "results",
        help="folder to write the tables to (default: %(default)s)",
    )
    parser.add_argument(
        "--smallest",
        action="store_true",
        help="run the smallest version, in seconds; its values mean nothing",
    )
    return parser


def absolute_path(text: str) -> Path:
    """Return the path of an option, for programs that run in another folder."""
    return Path(text).resolve()


def publish(name: str, tables: Iterable[Table], out: Path) -> None:
    """Write ``NAME.json`` and ``NAME.md`` into a folder, and print the latter.

    The files are written anew after each table, so that a later failure does not lose it.
    """
    about = {"command": shlex.join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]])}
    about |= describe_host()
    finished: list[Table] = []
    for table in tables:
        finished.append(table)
        content = {"about": about, "tables": [asdict(table) for table in finished]}
        write_text(out / f"{name}.json", json.dumps(content, indent=2) + "\n")
        write_text(out / f"{name}.md", _page(name, about, finished))
    print(_page(name, about, finished), end="")


def _page(name: str, about: Mapping[str, str], tables: Sequence[Table]) -> str:
    head = [f"# {name}", "\n".join(f"- {key}: {value}" for key, value in about.items())]
    return "\n\n".join([*head, *(table.markdown() for table in tables)]) + "\n"


def describe_host() -> dict[str, str]:
    """Return processor, memory, GPU, PyTorch version and commit of a benchmark's run."""
    environment: dict[str, Any] = describe_environment()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": str(usable_cores()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "GPU": gpu,
        "torch": environment["packages"]["torch"],
        "commit": environment["git_commit"] or "unknown",
        "time": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else os.uname().machine


def _show(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
