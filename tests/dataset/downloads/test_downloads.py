"""Downloads from a server on this host that offers small archives built like the published ones.

The real kagglehub uses it as well: its environment variable makes it use plain http, and the
usual proxy variable directs that to the server's port.
"""

import csv
import hashlib
import io
import os
import random
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.dataset import Split
from pneumoscope.dataset.downloads.catalogue import DATASETS, PublicDataset, find_dataset
from pneumoscope.dataset.downloads.origins import PublishedFile
from pneumoscope.dataset.sources import list_images
from pneumoscope.support.download import Checksum
from pneumoscope.support.errors import DownloadError, StorageError

pytestmark = pytest.mark.usefixtures("hurried")

IMAGES = {
    "train/NORMAL/IM-0115-0001.jpeg": b"normal one",
    "train/NORMAL/NORMAL2-IM-0115-0001.jpeg": b"normal two",
    "train/PNEUMONIA/person1_bacteria_1.jpeg": b"bacteria",
    "test/NORMAL/IM-0001-0001.jpeg": b"normal three",
    "test/PNEUMONIA/person1_virus_6.jpeg": random.Random(0).randbytes(1_000_000),
}
JUNK = {
    "__MACOSX/chest_xray/train/NORMAL/._IM-0115-0001.jpeg": b"finder",
    "__MACOSX/._chest_xray": b"finder",
    "chest_xray/.DS_Store": b"finder",
    "chest_xray/train/NORMAL/._IM-0115-0001.jpeg": b"finder",
}
MENDELEY_FILES = {f"chest_xray/{name}": data for name, data in IMAGES.items()} | JUNK
KAGGLE_FILES = (
    MENDELEY_FILES
    | {f"chest_xray/chest_xray/{name}": data + b"'s copy" for name, data in IMAGES.items()}
    | {f"chest_xray/__MACOSX/chest_xray/{name}": b"finder" for name in IMAGES}
)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


ARCHIVE = "ChestXRay2017.zip"


def offer(site, content: bytes, images: int = len(IMAGES), extra_bytes: int = 0) -> PublicDataset:
    """Offer a file as the one that Mendeley Data publishes."""
    site.files["/file_downloaded"] = content
    origin = PublishedFile(f"{site.address}/file_downloaded", ARCHIVE, checksum=None)
    return replace(find_dataset("mendeley"), origin=origin, images=images, extra_bytes=extra_bytes)


def tree(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Mendeley


def test_mendeley_gives_a_source_without_junk(site, tmp_path):
    folder = offer(site, zipped(MENDELEY_FILES)).fetch(tmp_path)
    assert folder == tmp_path / "chest_xray"
    assert tree(folder) == IMAGES
    assert names(tmp_path) == {"chest_xray", "ChestXRay2017.zip"}
    assert len(list_images(folder).entries) == len(IMAGES)


def test_mendeley_is_not_fetched_twice(site, tmp_path):
    dataset = offer(site, zipped(MENDELEY_FILES))
    dataset.fetch(tmp_path)
    site.files.clear()
    (tmp_path / "ChestXRay2017.zip").unlink()
    assert dataset.fetch(tmp_path) == tmp_path / "chest_xray"


def test_an_archive_put_there_by_hand_is_used(site, tmp_path):
    dataset = offer(site, zipped(MENDELEY_FILES))
    (tmp_path / dataset.origin.name).write_bytes(site.files.pop("/file_downloaded"))
    assert tree(dataset.fetch(tmp_path)) == IMAGES


def test_a_folder_that_holds_something_else_is_refused_and_kept(site, tmp_path):
    mine = tmp_path / "chest_xray" / "train" / "NORMAL" / "mine.jpeg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(DownloadError, match="holds 1 of the dataset's images instead of 5"):
        offer(site, zipped(MENDELEY_FILES)).fetch(tmp_path)
    assert mine.read_bytes() == b"mine"
    assert site.sent == 0


def test_files_of_an_interrupted_unpacking_are_removed(site, tmp_path):
    left = tmp_path / ".chest_xray.part" / "train" / "NORMAL" / "half.jpeg"
    left.parent.mkdir(parents=True)
    left.touch()
    assert tree(offer(site, zipped(MENDELEY_FILES)).fetch(tmp_path)) == IMAGES
    assert not (tmp_path / ".chest_xray.part").exists()


def test_an_archive_with_too_few_images(site, tmp_path):
    dataset = offer(site, zipped(MENDELEY_FILES), images=5856)
    with pytest.raises(DownloadError, match=r"holds 5 images where .* has 5,856") as raised:
        dataset.fetch(tmp_path)
    assert str(tmp_path / dataset.origin.name) in str(raised.value)
    assert names(tmp_path) == {dataset.origin.name}


def corrupted(content: bytes) -> bytes:
    """Change one byte of the last image's packed data, so that its CRC-32 no longer fits."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        info = archive.getinfo("chest_xray/test/PNEUMONIA/person1_virus_6.jpeg")
    name_length, extra_length = struct.unpack_from("<HH", content, info.header_offset + 26)
    middle = info.header_offset + 30 + name_length + extra_length + info.compress_size // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "content", [corrupted(zipped(MENDELEY_FILES)), b"<html>Please log in</html>"]
)
def test_a_damaged_archive(site, tmp_path, content):
    dataset = offer(site, content)
    with pytest.raises(DownloadError, match=r"the archive is damaged .* Delete it") as raised:
        dataset.fetch(tmp_path)
    assert str(tmp_path / dataset.origin.name) in str(raised.value)
    assert names(tmp_path) == {dataset.origin.name}


@pytest.mark.parametrize("escape", ["../outside.jpeg", "chest_xray/../../outside.jpeg", "/tmp/o"])
def test_an_archive_that_leads_out_of_the_folder(site, tmp_path, escape):
    destination = tmp_path / "inner"
    dataset = offer(site, zipped({**MENDELEY_FILES, escape: b"escaped"}))
    with pytest.raises(DownloadError, match="leads out of the folder"):
        dataset.fetch(destination)
    assert names(destination) == {dataset.origin.name}
    assert names(tmp_path) == {"inner"}


def test_an_archive_with_a_link(site, tmp_path):
    buffer = io.BytesIO(zipped(MENDELEY_FILES))
    with zipfile.ZipFile(buffer, "a") as file:
        link = zipfile.ZipInfo("chest_xray/train/NORMAL/link.jpeg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    dataset = offer(site, buffer.getvalue(), images=len(IMAGES) + 1)
    with pytest.raises(DownloadError, match=r"link\.jpeg', a link"):
        dataset.fetch(tmp_path)
    assert names(tmp_path) == {dataset.origin.name}


def test_space_for_the_unpacked_images_is_checked_before_the_download(site, tmp_path):
    dataset = offer(site, zipped(MENDELEY_FILES), extra_bytes=10**18)
    with pytest.raises(StorageError, match=r"ChestXRay2017\.zip needs 1,000,000,000"):
        dataset.fetch(tmp_path)
    assert names(tmp_path) <= {"ChestXRay2017.zip.part", "ChestXRay2017.zip.part.json"}


def test_space_for_what_the_archive_announces_is_checked_before_unpacking(site, tmp_path):
    buffer = io.BytesIO(zipped(MENDELEY_FILES))
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("chest_xray/train/NORMAL/bomb.jpeg", b"")
        file.getinfo("chest_xray/train/NORMAL/bomb.jpeg").file_size = 10**18
    dataset = offer(site, buffer.getvalue())
    with pytest.raises(StorageError, match=r"ChestXRay2017\.zip needs 1,000,000,000"):
        dataset.fetch(tmp_path)
    assert names(tmp_path) == {dataset.origin.name}


def test_a_refusal_names_the_address_and_the_place_of_the_archive(site, tmp_path):
    dataset = offer(site, b"")
    site.files.clear()
    with pytest.raises(DownloadError, match="404") as raised:
        dataset.fetch(tmp_path)
    assert dataset.origin.url in str(raised.value)
    assert f"save the file as {tmp_path / 'ChestXRay2017.zip'}" in str(raised.value)


# Kaggle


@pytest.fixture
def kaggle(site, monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", site.address)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token-for-tests")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "the user's own cache"))
    # It names who calls, for which it looks at every module of the test process.
    monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "kagglehub/tests")
    site.files["http://localhost/archive.zip"] = zipped(KAGGLE_FILES)
    return site


@pytest.fixture
def destination(tmp_path) -> Path:
    return tmp_path / "data"


SMALL = replace(find_dataset("kaggle"), images=len(IMAGES), extra_bytes=0)


def test_kaggle_gives_one_copy_without_junk(kaggle, destination, tmp_path, capfd):
    folder = SMALL.fetch(destination)
    assert folder == destination / "chest_xray"
    assert tree(folder) == IMAGES
    assert names(destination) == {"chest_xray"}
    assert names(tmp_path) == {"data"}
    assert capfd.readouterr().out == ""


def test_kaggle_gives_the_folder_that_a_notebook_mounts(kaggle, destination, monkeypatch, tmp_path):
    mounted = tmp_path / "kaggle" / "input" / "chest-xray-pneumonia"
    for name, data in KAGGLE_FILES.items():
        (mounted / name).parent.mkdir(parents=True, exist_ok=True)
        (mounted / name).write_bytes(data)
    monkeypatch.setattr("kagglehub.dataset_download", lambda handle: str(mounted))
    assert tree(SMALL.fetch(destination)) == IMAGES
    assert mounted.is_dir()


def test_kaggle_is_not_fetched_twice(kaggle, destination):
    SMALL.fetch(destination)
    sent = kaggle.sent
    assert SMALL.fetch(destination) == destination / "chest_xray"
    assert kaggle.sent == sent


def test_kaggle_resumes(kaggle, destination):
    kaggle.most = 1_500_000  # kagglehub writes pieces of 1 MiB
    with pytest.raises(DownloadError, match="it continues where it stopped"):
        SMALL.fetch(destination)
    assert names(destination) == {".kagglehub"}
    (partial,) = destination.rglob("*.archive")
    arrived = partial.stat().st_size
    assert 0 < arrived <= 1_500_000
    kaggle.most = None
    assert tree(SMALL.fetch(destination)) == IMAGES
    assert kaggle.ranges[-1] == f"bytes={arrived}-"


@pytest.mark.parametrize("status", [401, 403])
def test_kaggle_refuses_and_the_message_says_where_the_token_belongs(kaggle, destination, status):
    kaggle.kaggle_status = status
    with pytest.raises(DownloadError, match=str(status)) as raised:
        SMALL.fetch(destination)
    message = str(raised.value)
    assert "https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia" in message
    assert "https://www.kaggle.com/settings/api" in message
    assert "KAGGLE_API_TOKEN" in message
    assert "data fetch mendeley" in message
    assert not (destination / "chest_xray").exists()


@pytest.mark.parametrize("status", [404, 503])
def test_kaggle_does_not_deliver(kaggle, destination, status):
    kaggle.kaggle_status = status
    with pytest.raises(DownloadError, match="data fetch mendeley") as raised:
        SMALL.fetch(destination)
    assert str(status) in str(raised.value)


def test_kaggle_without_network(kaggle, destination, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="Check the network"):
        SMALL.fetch(destination)


def test_kaggle_with_a_wrong_checksum(kaggle, destination):
    kaggle.digest = hashlib.md5(b"something else").digest()
    with pytest.raises(DownloadError, match="cannot be used"):
        SMALL.fetch(destination)
    assert names(destination) == {".kagglehub"}


def test_kaggle_sends_another_file(kaggle, destination):
    kaggle.files["http://localhost/archive.zip"] = b"<html>Please log in</html>"
    with pytest.raises(DownloadError, match=r"Delete .*\.kagglehub"):
        SMALL.fetch(destination)


def test_kaggle_with_other_folders(kaggle, destination):
    kaggle.files["http://localhost/archive.zip"] = zipped({"readme.txt": b"moved"})
    with pytest.raises(DownloadError, match="no folder in it has train and test"):
        SMALL.fetch(destination)


def test_kaggle_with_too_few_images(kaggle, destination):
    with pytest.raises(DownloadError, match=r"holds 5 images where .* has 5,856"):
        replace(SMALL, images=5856).fetch(destination)
    assert not (destination / "chest_xray").exists()


def test_kaggle_keeps_the_cache_setting_of_the_user(kaggle, destination, tmp_path):
    SMALL.fetch(destination)
    assert os.environ["KAGGLEHUB_CACHE"] == str(tmp_path / "the user's own cache")


def test_kaggle_checks_the_room_first(kaggle, destination):
    with pytest.raises(StorageError, match="chest-xray-pneumonia needs 1,000,000,000"):
        replace(SMALL, extra_bytes=10**18).fetch(destination)
    assert kaggle.sent == 0


# MedMNIST


SIZES = {"train": 5, "val": 2, "test": 3}


def medmnist_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in SIZES.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n, dtype=np.uint8) % 2).reshape(n, 1)
    return arrays


def offer_medmnist(site, arrays: dict[str, np.ndarray], images: int = 10) -> PublicDataset:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    content = buffer.getvalue()
    site.files["/pneumoniamnist.npz?download=1"] = content
    checksum = Checksum("md5", hashlib.md5(content).hexdigest())
    url = f"{site.address}/pneumoniamnist.npz?download=1"
    origin = PublishedFile(url, "pneumoniamnist.npz", checksum)
    return replace(find_dataset("medmnist"), origin=origin, images=images, extra_bytes=0)


def test_medmnist_becomes_a_table_with_its_splits(site, tmp_path):
    arrays = medmnist_arrays()
    table = offer_medmnist(site, arrays).fetch(tmp_path)
    assert table == tmp_path / "pneumoniamnist" / "labels.csv"
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"file", "label", "split"}
    for published, split in {"train": "train", "val": "validation", "test": "test"}.items():
        mine = [row for row in rows if row["split"] == split]
        pixels = [np.asarray(Image.open(table.parent / row["file"])) for row in mine]
        np.testing.assert_array_equal(np.stack(pixels), arrays[f"{published}_images"])
        labels = ["NORMAL", "PNEUMONIA", "NORMAL", "PNEUMONIA", "NORMAL"][: len(mine)]
        assert [row["label"] for row in mine] == labels


def test_the_table_is_a_source(site, tmp_path):
    entries = list_images(offer_medmnist(site, medmnist_arrays()).fetch(tmp_path)).entries
    assert [entry.split for entry in entries].count(Split.VALIDATION) == 2
    assert all((tmp_path / "pneumoniamnist" / entry.path).is_file() for entry in entries)


def test_medmnist_is_not_fetched_twice(site, tmp_path):
    dataset = offer_medmnist(site, medmnist_arrays())
    first = dataset.fetch(tmp_path)
    site.files.clear()
    (tmp_path / dataset.origin.name).unlink()
    assert dataset.fetch(tmp_path) == first


def test_medmnist_does_not_take_the_place_of_something_else(site, tmp_path):
    (tmp_path / "pneumoniamnist").mkdir()
    with pytest.raises(DownloadError, match="holds 0 of the dataset's images instead of 10"):
        offer_medmnist(site, medmnist_arrays()).fetch(tmp_path)


def test_a_wrong_md5_is_refused(site, tmp_path):
    dataset = offer_medmnist(site, medmnist_arrays())
    offer_medmnist(site, {name: array[::-1] for name, array in medmnist_arrays().items()})
    with pytest.raises(DownloadError, match=dataset.origin.checksum.digest):
        dataset.fetch(tmp_path)
    assert names(tmp_path) == set()


def test_medmnist_with_another_number_of_images(site, tmp_path):
    dataset = offer_medmnist(site, medmnist_arrays(), images=5856)
    with pytest.raises(DownloadError, match=r"holds 10 images where .* has 5,856"):
        dataset.fetch(tmp_path)
    assert names(tmp_path) == {dataset.origin.name}


def test_pickled_objects_are_not_loaded(site, tmp_path):
    arrays = medmnist_arrays()
    arrays["train_labels"] = np.array([[print]] * 5, dtype=object)
    with pytest.raises(DownloadError, match="not the published arrays"):
        offer_medmnist(site, arrays).fetch(tmp_path)
    assert not (tmp_path / "pneumoniamnist").exists()


def test_the_published_addresses():
    """The dataset's page says 5,856; the address and MD5 are those of medmnist 3.0's info.py."""
    mendeley, medmnist = find_dataset("mendeley").origin, find_dataset("medmnist").origin
    assert {dataset.images for dataset in DATASETS} == {5856}
    assert mendeley.url.startswith("https://data.mendeley.com/public-files/datasets/rscbjbr9sj/")
    assert medmnist.url.startswith("https://zenodo.org/records/10519652/files/")
    assert medmnist.checksum == Checksum("md5", "d6a3c71de1b945ea11211b03746c1fe1")


def test_help_and_documentation_name_each_dataset(pneumoscope):
    page = Path(__file__).parents[3] / "docs" / "how-to" / "prepare-data.md"
    help_text = pneumoscope("data", "fetch", "--help").out
    for dataset in DATASETS:
        assert f"| `{dataset.name}` |" in page.read_text()
        assert dataset.name in help_text


def test_an_unknown_dataset_is_refused_with_the_names_of_all(pneumoscope):
    outcome = pneumoscope("data", "fetch", "nowhere")
    assert outcome.code == 2
    assert "mendeley, kaggle, medmnist" in " ".join(outcome.err.replace("│", " ").split())
