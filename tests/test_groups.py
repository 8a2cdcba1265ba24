"""Groups of failed parts: found in what a daemon has kept, looked at, and made classes."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from parts import frame, judged, part, picture, report
from stations import HEIGHT, WIDTH, bundle, settings
from typer.testing import CliRunner

from edge.cli.bundles import judged as judged_by
from edge.cli.bundles import open_bundle
from edge.cli.main import app
from edge.config import Evidence, SyntheticSource, load
from edge.daemon import Daemon
from edge.errors import ConfigError
from edge.geometry import Box, Image
from edge.sources.synthetic import Synthetic
from edge.store.evidence import EvidenceStore
from edge.teach.groups.choice import asked, chosen
from edge.teach.groups.cutout import cut_out
from edge.teach.groups.density import hdbscan
from edge.teach.groups.embedding import embed
from edge.teach.groups.failed import Suspect, find_failed
from edge.teach.groups.folder import pictures_of, write_groups
from edge.teach.groups.grouping import LOOSE, Grouping, group_evidence
from edge.teach.groups.kmeans import by_size, choose_kmeans, distances, kmeans, silhouette
from edge.teach.groups.rand_index import adjusted_rand
from edge.types import Decision, Verdict


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


def clouds(sizes: Sequence[int], far: float = 10.0, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Vectors around corners that are so far apart, and which corner each is of."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return far * np.eye(8)[labels] + rng.normal(0, 1, (len(labels), 8)), labels.tolist()


# The adjusted Rand index


@pytest.mark.parametrize(
    ("one", "other", "index"),
    [
        ([0, 0, 1, 1], [1, 1, 0, 0], 1.0),
        ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
        ([0, 0, 1, 1], [0, 0, 1, 2], 4 / 7),
        ([0, 0, 0, 0], [0, 1, 2, 3], 0.0),
        (["a", "a", "a"], [1, 1, 1], 1.0),
        ([1, 2, 3], [3, 1, 2], 1.0),
        ([], [], 1.0),
        ([5], [7], 1.0),
    ],
)
def test_the_adjusted_rand_index_has_its_known_values(one: list, other: list, index: float) -> None:
    assert adjusted_rand(one, other) == pytest.approx(index)


def test_the_adjusted_rand_index_is_that_of_hubert_and_arabie() -> None:
    # Their contingency table, from Hubert and Arabie 1985, counted by hand: pairs together in both 5, in rows 10,
    # in columns 9, of 45: (5 - 2) / (9.5 - 2).
    one = [0] * 4 + [1] * 3 + [2] * 2 + [3]
    other = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    together, rows, columns, pairs = 3 + 3 + 1, 6 + 3 + 1, 3 + 6 + 3, 45
    expected = rows * columns / pairs
    assert adjusted_rand(one, other) == pytest.approx(
        (together - expected) / ((rows + columns) / 2 - expected)
    )


def test_groups_at_random_agree_by_chance_alone() -> None:
    rng = np.random.default_rng(0)
    found = [
        adjusted_rand(rng.integers(0, 4, 200).tolist(), rng.integers(0, 5, 200).tolist()) for _ in range(30)
    ]
    assert abs(np.mean(found)) < 0.01


def test_the_adjusted_rand_index_is_of_the_same_things() -> None:
    with pytest.raises(ValueError, match="2 things cannot be compared with 1"):
        adjusted_rand([1, 2], [1])


# k-means and the number of groups


def test_kmeans_finds_clouds_and_numbers_the_largest_first() -> None:
    vectors, labels = clouds([10, 30, 20])
    groups = kmeans(vectors, 3)
    assert adjusted_rand(labels, groups.tolist()) == 1.0
    assert np.bincount(groups).tolist() == [30, 20, 10]


def test_kmeans_gives_the_same_groups_for_the_same_vectors() -> None:
    vectors = np.random.default_rng(3).normal(0, 1, (80, 5))
    assert (kmeans(vectors, 7) == kmeans(vectors.copy(), 7)).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_empty(seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(0, 1, (12, 3))
    vectors[:6] = vectors[0]
    assert set(kmeans(vectors, 7, seed)) == set(range(7))


def test_the_silhouette_is_what_its_definition_says() -> None:
    vectors = np.array([[0.0], [1.0], [10.0]])
    # For the first: own 1, other 10; for the second: own 1, other 9; the third is alone.
    found = silhouette(distances(vectors, vectors), np.array([0, 0, 1]))
    assert found == pytest.approx(((10 - 1) / 10 + (9 - 1) / 9 + 0) / 3)


def test_there_is_no_silhouette_of_one_group() -> None:
    vectors = np.arange(4.0)[:, None]
    assert np.isnan(silhouette(distances(vectors, vectors), np.zeros(4, np.intp)))


def test_as_many_groups_are_chosen_as_stand_apart() -> None:
    vectors, labels = clouds([12, 9, 15, 11])
    found = chosen(vectors)
    assert found.count == 4
    assert adjusted_rand(labels, found.groups.tolist()) == 1.0


def test_noise_is_one_group() -> None:
    assert chosen(np.random.default_rng(1).normal(0, 1, (60, 16))).count == 1


@pytest.mark.parametrize("count", [1, 2, 30])
def test_parts_that_are_all_alike_are_one_group(count: int) -> None:
    found = chosen(np.ones((count, 5)))
    assert (found.count, found.groups.tolist()) == (1, [0] * count)


def test_more_groups_than_parts_that_differ_are_refused() -> None:
    vectors = np.repeat(np.eye(3), 4, axis=0)
    assert asked(vectors, 3).count == 3
    with pytest.raises(ConfigError, match="4 groups cannot be made of 3 parts that differ"):
        asked(vectors, 4)
    assert [found.count for found in choose_kmeans(vectors, range(2, 6))] == [2, 3]


def test_what_is_in_no_group_stays_so() -> None:
    assert by_size(np.array([2, 2, -1, 0, 2, 0, 1])).tolist() == [0, 0, -1, 1, 0, 1, 2]


def test_hdbscan_leaves_out_what_fits_nowhere() -> None:
    pytest.importorskip("sklearn")
    vectors, labels = clouds([20, 15])
    found = hdbscan(np.vstack([vectors, [[60.0] * 8]]))
    assert found.groups[-1] == -1
    assert adjusted_rand(labels, found.groups[:-1].tolist()) > 0.9


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hdbscan_takes_few_parts_for_no_group(count: int) -> None:
    pytest.importorskip("sklearn")
    assert hdbscan(np.eye(3)[:count]).count == 0


def test_hdbscan_does_not_mind_parts_that_are_all_alike() -> None:
    pytest.importorskip("sklearn")
    assert hdbscan(np.ones((8, 5))).count <= 1


# Cut-outs


def suspect(size: tuple[int, int], region: Box | None, area_px: float | None = None) -> Suspect:
    return Suspect("d/e/1", "P-1", Path("1.jpg"), size, region, area_px)


def test_a_cut_out_is_around_the_region_and_within_the_picture() -> None:
    pixels = picture(160, 120)
    found = cut_out(pixels, suspect((160, 120), Box(150, 100, 158, 110), 40))
    assert found.pixels.shape == (60, 60, 3)
    assert (found.pixels == pixels[60:, 100:]).all()
    assert found.region == pytest.approx((50 / 60, 40 / 60, 58 / 60, 50 / 60))


def test_a_region_lies_at_its_place_in_a_picture_of_more_pixels() -> None:
    small = cut_out(picture(160, 120), suspect((160, 120), Box(40, 40, 60, 50), 100))
    large = cut_out(picture(640, 480), suspect((160, 120), Box(40, 40, 60, 50), 100))
    assert large.region == pytest.approx(small.region, abs=0.01)
    assert large.shape == pytest.approx(small.shape)


@pytest.mark.parametrize("region", [None, Box(500, 500, 600, 600), Box(10, 10, 10, 10)])
def test_without_a_region_the_whole_picture_is_looked_at(region: Box | None) -> None:
    found = cut_out(picture(160, 120), suspect((160, 120), region))
    assert found.pixels.shape == (120, 160, 3)
    assert found.region == (0, 0, 1, 1)


# What a daemon has kept


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is kept of forty rendered parts, most of them bad, judged as the daemon judges them."""
    folder = tmp_path_factory.mktemp("station") / "state"
    store = EvidenceStore(folder / "evidence", Evidence(min_free_mb=0, pass_rate=1.0))
    source = SyntheticSource(type="synthetic", width=WIDTH, height=HEIGHT, count=40, defect_rate=0.7, seed=3)
    with Synthetic(source) as conveyor:
        frames = [conveyor.read() for _ in range(40)]
    for number, inspection in enumerate(judged_by(open_bundle(bundle()), frames)):
        store.keep(report(number + 1, inspection), inspection)
    return folder


@pytest.fixture
def evidence(state: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(state / "evidence", tmp_path / "evidence"))


def failed_pictures(evidence: Path) -> list[Path]:
    return sorted(evidence.glob("*/*-fail.jpg"))


def run(*arguments: str | Path) -> tuple[int, str]:
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(ran.exception, ConfigError):
        return ran.exception.exit_code, str(ran.exception)
    return ran.exit_code, ran.stdout


def test_what_a_daemon_has_kept_can_be_grouped(tmp_path: Path) -> None:
    source = (
        f'type = "synthetic"\nwidth = {WIDTH}\nheight = {HEIGHT}\ncount = 6\nrate_hz = 5\ndefect_rate = 1.0'
    )
    Daemon(load(settings(tmp_path, source, more="[evidence]\nmin_free_mb = 0\n"))).run()
    evidence = tmp_path / "state" / "evidence"
    found = group_evidence(evidence, silent)
    assert found.parts == len(failed_pictures(evidence)) > 0
    assert {one.picture for group in found.groups for one in group.suspects} == {*failed_pictures(evidence)}


def test_failed_parts_of_one_kind_come_together(state: Path) -> None:
    found = group_evidence(state / "evidence", silent)
    assert found.parts == len(failed_pictures(state / "evidence")) >= 12
    assert found.agreement is not None
    assert found.agreement > 0.15  # by chance it is 0.0 ± 0.05
    assert not found.skipped


def test_the_same_evidence_gives_the_same_groups(state: Path) -> None:
    first, again = (group_evidence(state / "evidence", silent, count=3) for _ in range(2))
    assert first.groups == again.groups


def test_the_latest_parts_are_looked_at(state: Path) -> None:
    latest = [path.name for path in failed_pictures(state / "evidence")][-6:]
    found = group_evidence(state / "evidence", silent, most=6)
    assert sorted(one.picture.name for group in found.groups for one in group.suspects) == latest


def test_a_command_makes_a_page_and_sheets_of_groups(state: Path, tmp_path: Path) -> None:
    code, told = run("cluster", state / "evidence", "--out", tmp_path / "groups", "--groups", "2")
    assert code == 0
    assert "2 groups (kmeans" in told
    with PIL.Image.open(tmp_path / "groups" / "group-2.jpg") as sheet:
        assert sheet.width > 1000
    page = (tmp_path / "groups" / "index.html").read_text()
    assert f"edge cluster --out {tmp_path / 'groups'} --name 2=NAME" in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert "<script" not in page


def test_groups_are_made_again_in_the_same_place(state: Path, tmp_path: Path) -> None:
    for count in ("3", "2"):
        assert run("cluster", state / "evidence", "--out", tmp_path / "groups", "--groups", count)[0] == 0
    assert not (tmp_path / "groups" / "group-3.jpg").exists()
    assert len(json.loads((tmp_path / "groups" / "groups.json").read_text())["groups"]) == 2


def test_a_folder_that_holds_something_else_is_left_alone(state: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    code, told = run("cluster", state / "evidence", "--out", tmp_path)
    assert (code, (tmp_path / "letter.txt").read_text()) == (78, "dear")
    assert "holds letter.txt, which is not of groups; give --out another folder" in told


def test_named_groups_can_be_taught_as_classes(evidence: Path, tmp_path: Path) -> None:
    groups, classes = tmp_path / "groups", tmp_path / "classes"
    assert run("cluster", evidence, "--out", groups, "--groups", "2")[0] == 0
    code, told = run(
        "cluster", "--out", groups, "--name", "1=torn", "--name", "pass=good", "--classes", classes
    )
    assert code == 0
    assert f"edge teach NAME --classes {classes}" in told
    assert {path.name: path.read_bytes() for path in (classes / "torn").iterdir()} == {
        f"{path.parent.name}-{path.name}": path.read_bytes() for path in pictures_of(groups, "1")
    }
    code, told = run("teach", "part", "--classes", classes, "--out", tmp_path / "shelf", "--json")
    assert code == 0
    assert "torn" in told


def test_naming_a_group_again_changes_nothing(evidence: Path, tmp_path: Path) -> None:
    groups, classes = tmp_path / "groups", tmp_path / "classes"
    run("cluster", evidence, "--out", groups, "--groups", "2")
    naming = ("cluster", "--out", groups, "--name", "1=torn", "--classes", classes)
    assert "one class alone says nothing" in run(*naming)[1]
    before = sorted(path.name for path in (classes / "torn").iterdir())
    assert "0 pictures are new" in run(*naming)[1]
    assert sorted(path.name for path in (classes / "torn").iterdir()) == before


def test_a_picture_is_of_one_class_alone(evidence: Path, tmp_path: Path) -> None:
    groups, classes = tmp_path / "groups", tmp_path / "classes"
    run("cluster", evidence, "--out", groups, "--groups", "2")
    run("cluster", "--out", groups, "--name", "1=torn", "--classes", classes)
    code, told = run("cluster", "--out", groups, "--name", "1=bent", "--classes", classes)
    assert code == 78
    assert "are of class 'torn' already" in told
    assert not (classes / "bent").exists()


def test_evidence_that_had_to_go_is_told(evidence: Path, tmp_path: Path) -> None:
    groups, classes = tmp_path / "groups", tmp_path / "classes"
    run("cluster", evidence, "--out", groups, "--groups", "2")
    pictures = pictures_of(groups, "1")
    pictures[0].unlink()
    code, told = run("cluster", "--out", groups, "--name", "1=torn", "--classes", classes)
    assert (code, "1 more have left the evidence" in told) == (0, True)
    for path in pictures[1:]:
        path.unlink()
    code, told = run("cluster", "--out", groups, "--name", "1=bent", "--classes", tmp_path / "others")
    assert (code, "no picture of group 1 is left" in told) == (78, True)
    assert not (tmp_path / "others").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("9=torn", "there is no group '9'; there are 1, 2, pass"),
        ("torn", "'torn' says no group and class; give GROUP=CLASS"),
        ("1=", "'1=' says no group and class"),
        ("1=../torn", "cannot be the name of a folder"),
        ("1=.torn", "cannot be the name of a folder"),
        ("1=unknown", "stands for what is like no class"),
        ("1= torn", "no spaces around"),
    ],
)
def test_a_name_that_will_not_do_is_refused(state: Path, tmp_path: Path, name: str, said: str) -> None:
    run("cluster", state / "evidence", "--out", tmp_path / "groups", "--groups", "2")
    code, told = run(
        "cluster", "--out", tmp_path / "groups", "--name", name, "--classes", tmp_path / "classes"
    )
    assert (code, said in told) == (78, True), told
    assert not list(tmp_path.glob("classes/*/*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to do: group EVIDENCE, or make groups classes"),
        (("--name", "1=torn"), "holds no groups; make them with"),
        (("EVIDENCE", "--name", "1=torn"), "--name goes with groups that are made"),
        (("EVIDENCE", "--method", "magic"), "there is no 'magic'; use kmeans or hdbscan"),
        (("EVIDENCE", "--method", "hdbscan", "--groups", "2"), "--groups goes with kmeans"),
        (("EVIDENCE", "--groups", "500"), "500 groups cannot be made of"),
    ],
)
def test_what_does_not_go_together_is_refused(
    state: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    given = [str(state / "evidence") if one == "EVIDENCE" else one for one in arguments]
    code, told = run("cluster", *given, "--out", tmp_path / "groups")
    assert (code, said in told) == (78, True), told


def test_damaged_groups_are_told(tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_text('{"schema": "edge.groups/1"')
    assert "is damaged" in run("cluster", "--out", tmp_path, "--name", "1=torn")[1]
    (tmp_path / "groups.json").write_text('{"schema": "edge.groups/9"}')
    assert "has schema 'edge.groups/9'" in run("cluster", "--out", tmp_path, "--name", "1=torn")[1]


# Evidence that will not do


def test_an_empty_folder_holds_no_evidence(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigError, match="holds no evidence; give the folder 'evidence'"):
            find_failed(folder)


def test_evidence_of_passes_alone_has_nothing_to_group(evidence: Path) -> None:
    for path in evidence.glob("*/*-fail*"):
        path.unlink()
    with pytest.raises(ConfigError, match=r"holds the evidence of \d+ parts, and none of them failed"):
        find_failed(evidence)


def test_a_part_without_a_picture_is_told_and_left_out(evidence: Path) -> None:
    first, *others = failed_pictures(evidence)
    first.unlink()
    found = find_failed(evidence)
    assert found.skipped == (f"{first.with_suffix('.json')}: has no picture beside it",)
    assert len(found.suspects) == len(others)
    for path in others:
        path.unlink()
    with pytest.raises(ConfigError, match="holds no failed part that could be grouped"):
        find_failed(evidence)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0half"])
def test_a_broken_jpeg_is_told_and_left_out(evidence: Path, content: bytes) -> None:
    first, *others = failed_pictures(evidence)
    first.write_bytes(content)
    found = group_evidence(evidence, silent)
    assert found.parts == len(others)
    assert [str(first) in line for line in found.skipped] == [True]
    for path in others:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="none of the failed parts' pictures can be read"):
        group_evidence(evidence, silent)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"id": "a/b/1"}', b"\xff\xfe"])
def test_a_damaged_report_is_told_and_left_out(evidence: Path, content: bytes) -> None:
    first = failed_pictures(evidence)[0].with_suffix(".json")
    first.write_bytes(content)
    (line,) = find_failed(evidence).skipped
    assert line.startswith(f"{first}: is no report of a part")


@pytest.mark.parametrize(
    ("key", "value"), [("size", [0, 240]), ("box", [float("nan"), 0, 1, 1]), ("box", [1, 2])]
)
def test_a_report_of_what_cannot_be_is_told_and_left_out(
    evidence: Path, key: str, value: list[float]
) -> None:
    path = failed_pictures(evidence)[0].with_suffix(".json")
    said = json.loads(path.read_text())
    if key == "size":
        said["camera"]["size"] = value
    else:
        said["checks"][0]["regions"][0] |= {"box": value, "peak": 99.0}
    path.write_text(json.dumps(said))
    (line,) = find_failed(evidence).skipped
    assert line.startswith(f"{path}: ")


def test_a_name_that_is_no_utf_8_comes_back(state: Path, tmp_path: Path) -> None:
    evidence = Path(f"{tmp_path}/evid\udcffence")
    shutil.copytree(state / "evidence", evidence)
    write_groups(group_evidence(evidence, silent, count=2), tmp_path / "groups")
    assert all(path.is_file() for path in pictures_of(tmp_path / "groups", "1"))


def kept(folder: Path, images: Sequence[Image], *, regions: bool = True) -> Path:
    """Evidence of failed parts with these pictures, through the store that the daemon has."""
    store = EvidenceStore(folder, Evidence(min_free_mb=0))
    for number, image in enumerate(images):
        inspection = (
            part(image=image) if regions else judged(frame(image), Decision(Verdict.FAIL, ("no",), 0.9))
        )
        store.keep(report(number + 1, inspection), inspection)
    return folder


@pytest.mark.parametrize("count", [1, 2, 8])
def test_pictures_that_are_all_the_same_are_one_group(tmp_path: Path, count: int) -> None:
    found = group_evidence(kept(tmp_path / "evidence", [picture()] * count), silent)
    assert [len(group.suspects) for group in found.groups] == [count]
    assert (found.silhouette, found.agreement) == (None, None)


def test_parts_that_failed_without_a_region_are_grouped_by_their_whole_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    plain = [picture(grey=60 + number) for number in range(8)]
    rough = [rng.integers(0, 255, (120, 160, 3)).astype(np.uint8) for _ in range(8)]
    found = group_evidence(kept(tmp_path / "evidence", plain + rough, regions=False), silent, count=2)
    assert [sorted(one.record_id.rsplit("/")[-1] for one in group.suspects) for group in found.groups] == [
        sorted(str(number) for number in numbers) for numbers in (range(1, 9), range(9, 17))
    ]


def test_parts_that_fit_nowhere_can_be_a_class_too(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    evidence = kept(tmp_path / "evidence", [picture(grey=grey) for grey in (20, 90, 160)])
    code, told = run("cluster", evidence, "--out", tmp_path / "groups", "--method", "hdbscan")
    assert (code, "fit nowhere" in told) == (0, True)
    assert len(pictures_of(tmp_path / "groups", LOOSE)) == 3


def test_a_vector_does_not_depend_on_the_other_pictures_order(state: Path) -> None:
    suspects = find_failed(state / "evidence").suspects[:6]
    forth, back = embed(suspects, silent), embed(suspects[::-1], silent)
    assert distances(forth.vectors, forth.vectors) == pytest.approx(
        distances(back.vectors, back.vectors)[::-1, ::-1], abs=1e-5
    )


def test_a_grouping_says_what_it_found(state: Path) -> None:
    found: Grouping = group_evidence(state / "evidence", silent, count=2)
    lines = list(found.summary())
    assert lines[0].startswith(f"{found.parts} failed parts, 2 groups (kmeans, silhouette 0.")
    assert lines[-1].startswith("adjusted Rand index against what is known of the parts: ")
