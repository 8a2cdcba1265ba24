import tomllib
from pathlib import Path

import pytest
import tiny_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import BundleError
from edge.model.bundle import assemble, load, write
from edge.model.manifest import Golden, Limits, Manifest, text
from edge.model.tables import MANIFEST

FOLDER = Path("part")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle.anomaly(tmp_path / "part")


def edit(folder: Path, old: str, new: str) -> None:
    """Change a word of the manifest by hand."""
    source = (folder / MANIFEST).read_text()
    assert old in source
    (folder / MANIFEST).write_text(source.replace(old, new, 1))


def test_what_is_written_is_loaded(folder: Path) -> None:
    bundle = load(folder)
    assert bundle.manifest.name == "grey"
    assert set(bundle.files) == {"model.tflite", "bank.npz"}
    assert bundle.files["bank.npz"] == (folder / "bank.npz").read_bytes()


def test_the_digest_stands_for_the_manifest_and_all_files(folder: Path) -> None:
    before = load(folder).digest
    edit(folder, "limit_distance = 2.0", "limit_distance = 2.5")
    assert load(folder).digest != before


def test_a_missing_folder_says_where_bundles_come_from(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nothing: there is no such bundle; teach one with 'edge teach'"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize("name", [MANIFEST, "model.tflite", "bank.npz"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"part/{name}: is missing; copy the bundle again"):
        load(folder)


def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / "bank.npz").unlink()
    (folder / "bank.npz").mkdir()
    with pytest.raises(BundleError, match=r"bank\.npz: cannot be read: Is a directory"):
        load(folder)


def test_a_file_that_was_cut_off_is_named(folder: Path) -> None:
    content = (folder / "model.tflite").read_bytes()
    (folder / "model.tflite").write_bytes(content[:-100])
    with pytest.raises(
        BundleError, match=rf"tflite: is cut off at {len(content) - 100} of {len(content)} bytes"
    ):
        load(folder)


def test_a_file_that_grew_is_named(folder: Path) -> None:
    with (folder / "model.tflite").open("ab") as file:
        file.write(b"more")
    with pytest.raises(BundleError, match=r"model\.tflite: is longer than \d+ bytes; copy the bundle again"):
        load(folder)


def test_a_single_flipped_bit_is_found(folder: Path) -> None:
    content = bytearray((folder / "model.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.tflite").write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.tflite: was changed or damaged .* copy the bundle again"):
        load(folder)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "limit_distance",
            "limit_distanse",
            "anomaly.limit_distanse: unknown key; did you mean 'limit_distance'?",
        ),
        ('task = "anomaly"', "", "task: is missing; add it"),
        ('task = "anomaly"', 'task = "classification"', "add the table [classification]"),
        ('model = "model.tflite"', 'model = "other.tflite"', "'other.tflite' is used but not among [files]"),
        ('model = "model.tflite"', 'model = "../model.tflite"', "model: "),
        ("width = 32", 'width = "wide"', "input.width: "),
        ("limit_distance = 2.0", "limit_distance = nan", "anomaly.limit_distance: "),
        ("limit_distance = 2.0", "limit_distance = 0.0", "anomaly.limit_distance: "),
        ('schema = "edge.bundle/2"', 'schema = "edge.bundle/3"', "schema: "),
        ("[input]", "[input", "is not TOML: "),
    ],
)
def test_what_is_wrong_in_the_manifest_is_named(folder: Path, old: str, new: str, complaint: str) -> None:
    edit(folder, old, new)
    with pytest.raises(BundleError) as refusal:
        load(folder)
    assert str(refusal.value).startswith(f"{folder / MANIFEST}: ")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a/b", "..", ".hidden", "model.toml", ""]
)
def test_a_file_outside_the_folder_is_never_read(folder: Path, name: str) -> None:
    edit(folder, '"bank.npz"]', f'"{name}"]')
    with pytest.raises(BundleError, match=r"model\.toml: files"):
        load(folder)


def test_a_bundle_that_would_fill_the_memory_is_refused_before_it_is_read(folder: Path) -> None:
    size = (folder / "bank.npz").stat().st_size
    edit(folder, f"size_bytes = {size}", "size_bytes = 536870912")
    with pytest.raises(BundleError, match="a bundle has 537 MB at most"):
        load(folder)


def test_a_manifest_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BundleError, match=r"model\.toml: is not UTF-8 text \(byte 0\)"):
        load(folder)


def test_a_bundle_in_memory_must_have_all_its_files(folder: Path) -> None:
    bundle = load(folder)
    with pytest.raises(BundleError, match=r"part/bank\.npz: is missing"):
        assemble(FOLDER, bundle.source, {"model.tflite": bundle.files["model.tflite"]})


def test_a_bundle_that_exists_is_never_replaced(folder: Path) -> None:
    bundle = load(folder)
    with pytest.raises(BundleError, match="exists already; choose another folder"):
        write(folder, bundle.manifest, bundle.files)


def test_a_new_bundle_leaves_nothing_else_beside_it(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == ["part"]


def test_a_bundle_that_cannot_be_written_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    bundle = load(folder)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BundleError, match=r"file/part: cannot be written: "):
        write(tmp_path / "file" / "part", bundle.manifest, bundle.files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "part"]


def test_files_that_do_not_fit_the_manifest_are_not_written(folder: Path, tmp_path: Path) -> None:
    bundle = load(folder)
    damaged = bundle.files["bank.npz"][::-1]
    with pytest.raises(BundleError, match="was changed or damaged"):
        write(tmp_path / "new", bundle.manifest, {**bundle.files, "bank.npz": damaged})
    assert not (tmp_path / "new").exists()


rois = st.none() | st.tuples(*[st.integers(0, 5000)] * 2, *[st.integers(5001, 9999)] * 2).map(
    lambda corners: dict(zip(("x_min", "y_min", "x_max", "y_max"), corners, strict=True))
)
labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(
    labels=st.lists(labels, min_size=2, max_size=5),
    score=st.floats(allow_nan=False, allow_infinity=False),
    pass_below=st.floats(min_value=1e-300, exclude_min=True, allow_infinity=False),
    roi=rois,
)
def test_every_manifest_reads_back_as_it_was(
    labels: list[str], score: float, pass_below: float, roi: dict[str, int] | None
) -> None:
    manifest = Manifest(
        schema="edge.bundle/2",
        name="part",
        task="classification",
        created=tiny_bundle.WHEN,
        model="a.tflite",
        input={"width": 1, "height": 2, "roi": roi},
        files={
            "a.tflite": {"sha256": "0" * 64, "size_bytes": 0},
            "b-1.png": {"sha256": "f" * 64, "size_bytes": 3},
        },
        classification={"labels": labels},
        limits=Limits(pass_below=pass_below),
        golden=[Golden(file="b-1.png", score=score, label=labels[0])],
    )
    assert Manifest.model_validate(tomllib.loads(text(manifest))) == manifest


def complaint(source: bytes) -> str:
    """Why a manifest is refused; or that its files are missing, where nothing is wrong with it."""
    with pytest.raises(BundleError) as refusal:
        assemble(FOLDER, source, {})
    return str(refusal.value)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_manifest_are_refused_by_name(source: bytes) -> None:
    assert complaint(source).startswith("part/")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_manifest_with_changed_bytes_is_never_a_crash(folder: Path, places: list[tuple[int, int]]) -> None:
    source = bytearray((folder / MANIFEST).read_bytes())
    for place, byte in places:
        source[place % len(source)] = byte
    assert complaint(bytes(source)).startswith("part/")


values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(key=st.sampled_from(sorted(Manifest.model_fields)), value=values)
def test_a_manifest_with_any_value_anywhere_is_never_a_crash(key: str, value: object) -> None:
    table = {"schema": "edge.bundle/2", key.rstrip("_"): value}
    try:
        source = "\n".join(f"{name} = {_toml(value)}" for name, value in table.items())
    except TypeError:
        return
    assert complaint(source.encode(errors="replace")).startswith("part/")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "").replace("\n", "") + "'"
    return str(value).lower()
