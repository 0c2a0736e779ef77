import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pneumoscope.dataset import Entry, Label, Manifest, Split
from pneumoscope.dataset.manifest import SplitBy, is_manifest
from pneumoscope.support.errors import DatasetError

ENTRIES = (
    Entry(
        "NORMAL/ü 1.png",
        Label.NORMAL,
        sha256="aa",
        pixel_hash="bb",
        width=320,
        height=200,
        patient="p1",
        patient_declared=True,
        split=Split.TRAIN,
        synthetic=True,
        extra={"age": "34", "view": None},
    ),
    Entry(
        "PNEUMONIA/2.png",
        Label.PNEUMONIA,
        sha256="cc",
        pixel_hash="dd",
        width=1,
        height=2,
        subtype="virus",
        patient="person2",
        split=Split.TEST,
        extra={"age": "", "view": "AP"},
    ),
    Entry(
        "PNEUMONIA/3.png",
        Label.PNEUMONIA,
        set_aside="the file is empty",
        extra={"age": None, "view": None},
    ),
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    root = tmp_path / "images"
    root.mkdir()
    return Manifest(root, ENTRIES, SplitBy.IMAGE, seed=7)


@pytest.fixture
def written(manifest: Manifest, tmp_path: Path) -> Path:
    path = tmp_path / "m.parquet"
    manifest.write(path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        Manifest.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_a_manifest_is_read_as_it_was_written(manifest: Manifest, written: Path) -> None:
    again = Manifest.read(written)
    assert again == manifest
    assert again.fingerprint == manifest.fingerprint
    assert [path.name for path in written.parent.iterdir() if path.is_file()] == ["m.parquet"]


@pytest.mark.parametrize("rows", [0, 1024, 2500])
def test_any_number_of_rows_is_read_in_order(rows: int, tmp_path: Path) -> None:
    entries = tuple(replace(ENTRIES[n % 3], path=f"{n:04}.png") for n in range(rows))
    Manifest(tmp_path, entries, SplitBy.IMAGE, seed=7).write(tmp_path / "many.parquet")
    assert Manifest.read(tmp_path / "many.parquet").entries == entries


def test_pyarrow_reads_typed_columns(written: Path) -> None:
    table = pq.read_table(written)
    assert {field.name: str(field.type) for field in table.schema} == {
        "path": "string",
        "sha256": "string",
        "pixel_hash": "string",
        "near_duplicate_of": "string",
        "width": "int32",
        "height": "int32",
        "label": "string",
        "subtype": "string",
        "patient": "string",
        "patient_declared": "bool",
        "split": "string",
        "synthetic": "bool",
        "set_aside": "string",
        "age": "string",
        "view": "string",
    }
    rows = table.to_pylist()
    assert [row["label"] for row in rows] == ["NORMAL", "PNEUMONIA", "PNEUMONIA"]
    assert [row["split"] for row in rows] == ["train", "test", None]
    assert rows[0]["path"] == "NORMAL/ü 1.png"
    assert (rows[0]["width"], rows[0]["height"]) == (320, 200)
    assert rows[2]["set_aside"] == "the file is empty"


def test_counts_and_selections(manifest: Manifest) -> None:
    assert manifest.of(Split.TRAIN) == ENTRIES[:1]
    assert manifest.of(Split.VALIDATION) == ()
    assert manifest.set_aside == ENTRIES[2:]
    assert manifest.synthetic
    assert not replace(manifest, entries=ENTRIES[1:]).synthetic
    assert manifest.counts() == {
        Split.TRAIN: {Label.NORMAL: 1, Label.PNEUMONIA: 0},
        Split.VALIDATION: {Label.NORMAL: 0, Label.PNEUMONIA: 0},
        Split.TEST: {Label.NORMAL: 0, Label.PNEUMONIA: 1},
    }


def test_manifest_and_entries_are_frozen(manifest: Manifest) -> None:
    with pytest.raises(FrozenInstanceError):
        manifest.seed = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        manifest.entries[0].label = Label.PNEUMONIA  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        {"label": Label.PNEUMONIA},
        {"split": Split.VALIDATION},
        {"split": None},
        {"sha256": "ab"},
        {"patient": "p2"},
        {"path": "NORMAL/1.png"},
    ],
)
def test_the_fingerprint_depends_on_the_data(manifest: Manifest, change: dict[str, object]) -> None:
    changed = (replace(ENTRIES[0], **change), *ENTRIES[1:])  # type: ignore[arg-type]
    assert replace(manifest, entries=changed).fingerprint != manifest.fingerprint
    assert replace(manifest, entries=ENTRIES[1:]).fingerprint != manifest.fingerprint
    assert replace(manifest, split_by=SplitBy.PATIENT).fingerprint != manifest.fingerprint


def test_the_fingerprint_does_not_depend_on_folder_or_order(manifest: Manifest) -> None:
    assert replace(manifest, root=Path("/elsewhere")).fingerprint == manifest.fingerprint
    assert replace(manifest, entries=ENTRIES[::-1]).fingerprint == manifest.fingerprint


def test_images_may_have_moved(manifest: Manifest, written: Path, tmp_path: Path) -> None:
    assert Manifest.read(written).root == manifest.root
    assert Manifest.read(written, tmp_path / "new").root == tmp_path / "new"
    manifest.root.rmdir()
    assert Manifest.read(written).root == tmp_path  # beside the manifest
    assert Manifest.read(written, tmp_path / "new").root == tmp_path / "new"


def test_a_relative_root_is_remembered_in_full(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    replace(manifest, root=Path("images")).write(Path("m.parquet"))
    monkeypatch.chdir("/")
    assert Manifest.read(tmp_path / "m.parquet").root == tmp_path / "images"


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def with_first(column: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        values = [value, *table.column(column).to_pylist()[1:]]
        field = table.schema.field(place)
        return table.set_column(place, field, pa.array(values, field.type))

    return change


@pytest.mark.parametrize(
    "change",
    [
        with_first("label", "PNEUMONIA"),
        with_first("label", "OTHER"),
        with_first("split", "test"),
        with_first("split", "holdout"),
        with_first("sha256", "00"),
        with_first("patient", None),
        lambda table: table.slice(1),
        lambda table: table.drop_columns(["sha256"]),
        lambda table: table.drop_columns(["view"]),
    ],
)
def test_a_changed_table_is_refused(written: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    rewrite(written, lambda table: table)
    Manifest.read(written)  # copied as it is, it still serves
    rewrite(written, change)
    message = refusal(written)
    assert "changed after it was written" in message
    assert "pneumoscope data manifest" in message


@pytest.mark.parametrize("key", ["root", "split_by", "seed", "fingerprint", "extra"])
def test_lost_metadata_is_refused(written: Path, key: str) -> None:
    def lose(table: pa.Table) -> pa.Table:
        kept = {
            name: value for name, value in table.schema.metadata.items() if name.decode() != key
        }
        return table.replace_schema_metadata(kept)

    rewrite(written, lose)
    assert "changed after it was written" in refusal(written)


def test_another_format_version_is_refused(written: Path) -> None:
    def newer(table: pa.Table) -> pa.Table:
        return table.replace_schema_metadata(
            {**table.schema.metadata, b"pneumoscope.manifest": b"99"}
        )

    rewrite(written, newer)
    message = refusal(written)
    assert "a manifest of format 99" in message
    assert "write it again" in message


def test_another_file_is_refused(written: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"file": ["a"], "label": ["NORMAL"]}), table)
    assert "not a manifest; write one with" in refusal(table)
    half = tmp_path / "half.parquet"
    half.write_bytes(written.read_bytes()[:-40])
    assert "write the manifest again" in refusal(half)
    assert is_manifest(written)
    for path in (table, half, tmp_path, tmp_path / "absent.parquet", tmp_path / "labels.csv"):
        assert not is_manifest(path)


def test_the_metadata_describe_the_split(manifest: Manifest, written: Path) -> None:
    about = {k.decode(): v.decode() for k, v in pq.read_schema(written).metadata.items()}
    assert about["split_by"] == "image"
    assert about["seed"] == "7"
    assert about["fingerprint"] == manifest.fingerprint
    assert json.loads(about["extra"]) == ["age", "view"]


def test_only_a_parquet_name_is_written(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"name it M\.parquet"):
        manifest.write(tmp_path / "manifest")
    assert not (tmp_path / "manifest").exists()


def test_another_table_is_not_replaced(manifest: Manifest, tmp_path: Path) -> None:
    table = tmp_path / "labels.parquet"
    table.write_bytes(b"somebody's work")
    with pytest.raises(DatasetError, match="exists and is not a manifest"):
        manifest.write(table)
    assert table.read_bytes() == b"somebody's work"
