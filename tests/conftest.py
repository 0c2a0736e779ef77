"""Fixtures shared by all tests: the command line, small datasets, programs that may be absent."""

import fcntl
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ctypes.util import find_library
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from pneumoscope.support.files import write_bytes

from .postgres import find_postgres

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest
    from pneumoscope.reader import Reader
    from pneumoscope.training import Run

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a call of the command line."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the user's cache of weights and features, and the log of readings."""
    cache = str(tmp_path_factory.mktemp("cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("XDG_STATE_HOME", cache)


@pytest.fixture
def pneumoscope(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Call the command line in this process: ``pneumoscope("data", "manifest", folder, ...)``."""
    from pneumoscope import cli

    def call(*words: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(word) for word in words])
        captured = capfd.readouterr()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else int(code is not None), *captured)

    return call


class UndrawnCanvas:
    """Canvas that writes one grey pixel for a figure."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def print_png(self, file: BinaryIO, **_: object) -> None:
        Image.new("L", (1, 1), 128).save(file, "png")


@pytest.fixture(scope="session", autouse=True)
def _no_drawing() -> Iterator[None]:
    """Leave figures undrawn: drawing takes most of the time of tests of what they show.

    tests/report, where a page of every kind is shown, draws with `drawn_figures`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pneumoscope.report.html.FigureCanvasAgg", UndrawnCanvas)
        yield


@contextmanager
def drawn_figures() -> Iterator[None]:
    """Draw figures as outside of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pneumoscope.report.html.FigureCanvasAgg", FigureCanvasAgg)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_printing() -> Iterator[None]:
    """Write empty PDF files: printing takes most of the time of the tests of other things.

    tests/report/test_pdf.py prints.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "pneumoscope.report.pdf.write_pdf", lambda _, path: write_bytes(path, b"%PDF-")
        )
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real radiographs, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real radiographs are not there: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """Return the path of a program; skip if it is absent, or fail where all are required."""

    def require(name: str) -> str:
        if path := shutil.which(name):
            return path
        reason = f"the program {name} is not installed (see tests/system-packages.txt)"
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail(reason)
        pytest.skip(reason)

    return require


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs; skip or fail without it as `require_program`."""
    folder = find_postgres()
    if folder is None:
        reason = "PostgreSQL is not installed (see tests/system-packages.txt)"
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def pango() -> None:
    """Require Pango, the library that prints PDF files, as `require_program` does."""
    if find_library("pango-1.0") is None:
        reason = "Pango is not installed (see tests/system-packages.txt)"
        if os.environ.get("PNEUMOSCOPE_REQUIRE_PROGRAMS"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def start_server() -> Iterator[Callable[[type[BaseHTTPRequestHandler]], str]]:
    """Start an HTTP server on this host with a handler; return its address."""
    with ExitStack() as stack:

        def start(handler: type[BaseHTTPRequestHandler]) -> str:
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            server.handle_error = lambda *_: None  # a client that breaks off is part of a test
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield start


def draw_chest(rng: np.random.Generator, ill: bool, size: int = 64) -> NDArray[np.uint8]:
    """Draw a crude chest: bright body, dark lungs, and a bright patch in one of them if ill."""
    pixels = np.full((size, size), 160.0)
    pixels[size // 6 : -size // 6, size // 8 : 3 * size // 8] = 40
    pixels[size // 6 : -size // 6, 5 * size // 8 : 7 * size // 8] = 40
    if ill:
        top = rng.integers(size // 4, size // 2)
        pixels[top : top + size // 4, size // 8 : 3 * size // 8] = 150
    pixels += rng.normal(0, 12, pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8)


def write_dataset(root: Path, train: int = 24, test: int = 8, size: int = 64) -> Path:
    """Write a small dataset in the Kaggle layout, with a count of images per class and split."""
    rng = np.random.default_rng(0)
    number = 0
    for split, count in (("train", train), ("test", test)):
        for label in ("NORMAL", "PNEUMONIA"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for _ in range(count):
                number += 1
                ill = label == "PNEUMONIA"
                name = f"person{number}_virus_{number}.png" if ill else f"IM-{number:04}-0001.png"
                Image.fromarray(draw_chest(rng, ill, size)).save(folder / name)
    return root


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small learnable dataset; read-only."""
    return write_dataset(tmp_path_factory.mktemp("small") / "chest")


@pytest.fixture(scope="session")
def small_manifest(small_dataset: Path) -> "Manifest":
    """Return the manifest of the small dataset."""
    from pneumoscope.dataset import open_dataset

    return open_dataset(small_dataset)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives a folder, filled by the first test process that needs it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def get(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / name
        with (shared / f"{name}.made").open("a+") as made:
            fcntl.flock(made, fcntl.LOCK_EX)
            made.seek(0)
            if not made.read():
                shutil.rmtree(folder, ignore_errors=True)  # left by a process that did not finish
                folder.mkdir()
                fill(folder)
                made.write("made")
        return folder

    return get


@pytest.fixture(scope="session")
def phantom_dataset(made_once: Callable[..., Path]) -> Path:
    """Return a folder of synthetic radiographs; read-only."""
    from pneumoscope.dataset.phantoms.generate import generate_phantoms

    made = made_once("phantoms", lambda at: generate_phantoms(at / "chest", count=160, size=128))
    return made / "chest"


@pytest.fixture(scope="session")
def few_phantoms(phantom_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of every fourth synthetic radiograph of each class and split; read-only."""
    folder = tmp_path_factory.mktemp("few")
    for path in sorted(phantom_dataset.rglob("*.png"))[::4]:
        copy = folder / path.relative_to(phantom_dataset)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for file in phantom_dataset.glob("*.*"):
        shutil.copy(file, folder)  # one of them says that the images are synthetic
    return folder


@pytest.fixture(scope="session")
def children(shared_data: Path, made_once: Callable[..., Path]) -> "Manifest":
    """Return the manifest of the real paediatric radiographs; opening them takes 8 s."""
    from pneumoscope.dataset import Manifest, open_dataset

    def fill(folder: Path) -> None:
        open_dataset(shared_data / "chest_xray").write(folder / "manifest.parquet")

    return Manifest.read(made_once("children", fill) / "manifest.parquet")


_STRONGEST = ("crop", "border_blank", "random_erasing")


@pytest.fixture(scope="session")
def compact_run(phantom_dataset: Path, made_once: Callable[..., Path]) -> "Run":
    """Return a finished and evaluated Run of the compact network; read-only."""
    from pneumoscope.dataset import open_dataset
    from pneumoscope.support.cache import ArrayCache
    from pneumoscope.training import ExampleStore, Run, evaluate_run, make_recipe, train

    # It learns enough for the bundle to have all operating points.
    settings = ["image_size=64", "epochs=5", "batch_size=8", "seed=1", "precision=float32"]
    settings += ["weight_average=0", *(f"augmentation.{name}=0" for name in _STRONGEST)]

    def fill(folder: Path) -> None:
        store = ExampleStore(open_dataset(phantom_dataset), ArrayCache(folder / "cache"))
        finished = train(store, make_recipe("compact", assignments=settings), folder / "compact")
        evaluate_run(finished, store)

    return Run.open(made_once("run", fill) / "compact")


@pytest.fixture(scope="session")
def exported(compact_run: "Run", made_once: Callable[..., Path]) -> Path:
    """Return the bundle exported from the Run; read-only."""
    from pneumoscope.export.bundle import export_bundle
    from pneumoscope.support.cache import ArrayCache

    def fill(folder: Path) -> None:
        cache = ArrayCache(folder / "cache")
        export_bundle([compact_run], folder / "bundle", cache, "phantoms", "Learned from phantoms.")

    return made_once("exported", fill) / "bundle"


@pytest.fixture(scope="session")
def exported_lungs(phantom_dataset: Path, made_once: Callable[..., Path]) -> Path:
    """Return a bundle that reads lungs alone, exported from a Run on phantoms; read-only."""
    from pneumoscope.dataset import open_dataset
    from pneumoscope.export.bundle import export_bundle
    from pneumoscope.support.cache import ArrayCache
    from pneumoscope.training import ExampleStore, make_recipe, train

    settings = ["framing=lungs", "image_size=64", "epochs=2", "batch_size=8", "precision=float32"]

    def fill(folder: Path) -> None:
        cache = ArrayCache(folder / "cache")
        store = ExampleStore(open_dataset(phantom_dataset), cache)
        run = train(store, make_recipe("compact", assignments=settings), folder / "compact")
        export_bundle([run], folder / "bundle", cache, "lungs of phantoms")

    return made_once("exported_lungs", fill) / "bundle"


@pytest.fixture(scope="session")
def bundles_by_age(exported: Path, made_once: Callable[..., Path]) -> Path:
    """Return a folder with the exported bundle for children and for adults; read-only.

    Its bundles have the names of those that come with the package.
    """
    from pneumoscope.reader.bundle import Bundle, write_bundle
    from pneumoscope.reader.population import Population

    def fill(folder: Path) -> None:
        bundle = Bundle.open(exported)
        contents = {name: (exported / name).read_bytes() for name in bundle.record.files}
        for name, population in {
            "default": Population(name="children", min_age=1, max_age=5),
            "adults": Population(name="adults", min_age=18),
        }.items():
            changes = {"name": population.name, "population": population}
            write_bundle(folder / name, bundle.record.model_copy(update=changes), contents)

    return made_once("bundles_by_age", fill)


@pytest.fixture
def write_dicom() -> Callable[..., Path]:
    """Return a function that writes a picture as a computed radiograph with more attributes."""

    def write(file: Path, picture: Path, **attributes: object) -> Path:
        pixels = np.asarray(Image.open(picture).convert("L"))
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = ComputedRadiographyImageStorage
        dataset.SOPInstanceUID = generate_uid()
        dataset.PatientName, dataset.PatientID = "Doe^Jane", "4711"
        dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "PA"
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelRepresentation, dataset.PixelData = 0, pixels.tobytes()
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file, enforce_file_format=True)
        return file

    return write


@pytest.fixture
def install(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Path]]:
    """Install a module: ``install("lab-nets", "1.0", "lab_nets", "source", models={"net": ...})``.

    Return its file, which lies beside the metadata that installers write, on the path.
    """
    modules = []

    def write(package: str, version: str, module: str, source: str, **groups: object) -> Path:
        folder = tmp_path_factory.mktemp("installed")
        information = folder / f"{package.replace('-', '_')}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        (information / "RECORD").write_text(f"{module}.py,,\n")
        lines = []
        for group, functions in groups.items():
            lines += [f"[pneumoscope.{group}]"]
            lines += [f"{name} = {function}" for name, function in functions.items()]
        (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
        (folder / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        sys.modules.pop(module, None)
        modules.append(module)
        return folder / f"{module}.py"

    yield write
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def own_bundle(exported: Path, tmp_path: Path) -> Path:
    """Return a copy of the bundle that a test may damage."""
    return Path(shutil.copytree(exported, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def reader(exported: Path) -> "Reader":
    """Return a reader of the exported bundle."""
    from pneumoscope.reader import load

    return load(exported)


@pytest.fixture(scope="session")
def radiographs(phantom_dataset: Path) -> Callable[[int], list[Path]]:
    """Return a function that gives the first n phantoms of the test split."""
    return lambda n: sorted((phantom_dataset / "test").rglob("*.png"))[:n]
