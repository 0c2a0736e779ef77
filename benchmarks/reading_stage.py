"""One of our reading programs, in a process of its own, for `reading`: PROGRAM PLAN.json."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def eager(plan: dict[str, Any]) -> tuple[Callable[[bytes], object], Callable[[], int]]:
    """Read with eager PyTorch: decoding and network on the whole image, nothing else."""
    import torch

    from pneumoscope.models import MODELS, build_network
    from pneumoscope.radiograph import Resampling, decode_radiograph, prepare_pixels, preprocess

    size = plan["size"]
    network = build_network(MODELS[plan["model"]], size, seed=0).eval()

    def pixels(content: bytes) -> torch.Tensor:
        radiograph = decode_radiograph(content, "image", preprocess.OVERSAMPLING * size)
        square = prepare_pixels(radiograph.pixels, size, Resampling.BILINEAR)
        return torch.from_numpy(square)[None] / 255

    def read(content: bytes) -> float:
        with torch.inference_mode():
            return float(network(pixels(content)[None]).sigmoid())

    def read_folder() -> int:
        n = 0
        with torch.inference_mode():
            for start in range(0, len(plan["folder"]), 32):
                paths = plan["folder"][start : start + 32]
                batch = torch.stack([pixels(Path(path).read_bytes()) for path in paths])
                n += len(network(batch).sigmoid())
        return n

    return read, read_folder


def ours(plan: dict[str, Any]) -> tuple[Callable[[bytes], object], Callable[[], int]]:
    """Read with the deployed reader: quality gate, calibration and heat map included."""
    from pneumoscope.reader import load

    reader = load(plan["bundle"], plan["threads"])
    return reader.read, lambda: sum(1 for _ in reader.read_many(plan["folder"]))


def pictured(plan: dict[str, Any]) -> tuple[Callable[[bytes], object], Callable[[], int]]:
    """Read with the deployed reader, and draw the heat map over the radiograph at its size."""
    from pneumoscope.radiograph import decode_radiograph
    from pneumoscope.reader import load
    from pneumoscope.reader.batch import read_files
    from pneumoscope.reader.overlay import draw_overlay

    reader = load(plan["bundle"], plan["threads"])

    def read(content: bytes) -> object:
        reading = reader.read(content)
        if reading.heatmap is None:
            return None
        return draw_overlay(decode_radiograph(content, "image"), reading)

    def read_folder() -> int:
        with TemporaryDirectory() as folder:
            files = map(Path, plan["folder"])
            return sum(1 for _ in read_files(reader, files, "screening", Path(folder)))

    return read, read_folder


PROGRAMS = {"eager": eager, "ours": ours, "pictured": pictured}


def main() -> None:
    """Carry out the plan, and write the durations as JSON."""
    program, plan_path = sys.argv[1:]
    plan = json.loads(Path(plan_path).read_text())
    read, read_folder = PROGRAMS[program](plan)
    contents = [Path(path).read_bytes() for path in plan["single"]]
    read(contents[0])
    if plan["cold"]:
        return
    single = []
    for content in contents * plan["repeats"]:
        started = time.perf_counter()
        read(content)
        single.append(time.perf_counter() - started)
    started = time.perf_counter()
    n = read_folder()
    seconds = time.perf_counter() - started
    assert n == len(plan["folder"])
    Path(plan["out"]).write_text(json.dumps({"single": single, "folder": seconds}))


if __name__ == "__main__":
    main()
