from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edge.errors import ConfigError
from edge.preprocess.picture import read, size
from edge.teach.album import Album, collect, without
from edge.teach.outliers import stand_out


def scores(*values: float) -> list[tuple[str, float]]:
    return [(f"{number:03}.png", value) for number, value in enumerate(values)]


def drawn(seed: int, count: int, spread: float = 0.15) -> list[float]:
    """Held-out scores of good parts: a long tail."""
    found: list[float] = np.exp(np.random.default_rng(seed).gumbel(1.0, spread, count)).tolist()
    return found


@pytest.mark.parametrize("count", [9, 19, 59, 199])
def test_a_defect_among_the_good_ones_is_named_with_how_far_it_is_off(count: int) -> None:
    values = drawn(1, count)
    (found,) = stand_out(scores(*values, 8 * float(np.median(values))))
    assert found.name == f"{count:03}.png"
    assert 7 < found.times < 9
    assert str(found).startswith(f"{count:03}.png: scores {found.times:.1f} times the middle good picture")


def test_the_worst_comes_first() -> None:
    values = drawn(2, 20)
    found = stand_out(scores(*values, 40.0, 90.0))
    assert [outlier.name for outlier in found] == ["021.png", "020.png"]


@pytest.mark.parametrize("count", [5, 10, 20, 60])
def test_good_parts_alone_rarely_stand_out(count: int) -> None:
    alarms = sum(bool(stand_out(scores(*drawn(seed, count)))) for seed in range(300))
    assert alarms <= 300 * 0.15


def test_the_scale_of_the_scores_does_not_count() -> None:
    values = [*drawn(3, 20), 50.0]
    (found,) = stand_out(scores(*values))
    (again,) = stand_out(scores(*(1000 * value for value in values)))
    assert again.name == found.name
    assert again.times == pytest.approx(found.times)


def test_a_low_score_is_none_to_worry_about() -> None:
    assert stand_out(scores(*drawn(4, 20), 1e-6)) == ()


def test_pictures_that_are_nearly_the_same_do_not_stand_out_for_a_trifle() -> None:
    assert stand_out(scores(*[1.0] * 15, 1.05)) == ()
    assert len(stand_out(scores(*[1.0] * 15, 3.0))) == 1


def test_of_fewer_than_five_none_can_be_told() -> None:
    assert stand_out(scores(1.0, 1.1, 0.9, 50.0)) == ()


def picture(path: Path, seed: int, width: int = 48, height: int = 32) -> Path:
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(path)
    return path


def pictures(folder: Path, count: int) -> list[Path]:
    return [picture(folder / f"{seed:03}.png", seed) for seed in range(count)]


def collected(paths: Sequence[Path]) -> Album:
    return collect(paths, lambda *_: None, lambda *_: None)


def test_one_picture_of_another_size_is_left_out_and_told_of(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "good", 8)
    odd = picture(tmp_path / "good" / "odd.png", 9, width=64)
    album = collected([*paths, odd])
    assert album.paths == tuple(paths)
    assert album.skipped == (f"{odd}: is 64×32, but the others are 48×32",)


def test_a_product_whose_pictures_have_many_sizes_is_taught_on_all_of_them(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{seed}.png", seed, width=40 + seed) for seed in range(8)]
    assert collected(paths).paths == tuple(paths)


def test_too_few_of_one_size_say_which_one_is_odd(tmp_path: Path) -> None:
    odd = picture(tmp_path / "good" / "odd.png", 9, height=64)
    with pytest.raises(
        ConfigError, match=r"4 different pictures are too few .*\n.*odd.png: is 48×64, but the"
    ):
        collected([*pictures(tmp_path / "good", 4), odd])


def test_pictures_that_are_all_the_same_say_so(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{number}.png", 0) for number in range(6)]
    with pytest.raises(ConfigError, match=r"0\.png: all 6 pictures are this same one; look at the camera"):
        collected(paths)


def test_a_corrupt_picture_is_left_out_and_told_of(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "good", 8)
    paths[3].write_bytes(paths[3].read_bytes()[:60])
    (line,) = collected(paths).skipped
    assert line.startswith(f"{paths[3]}: is damaged or cut off")


def test_a_size_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "lying.jpg"
    PIL.Image.new("RGB", (48, 32)).save(path, exif=exif)
    assert size(path) == read(path).shape[1::-1] == (32, 48)


def test_the_size_of_what_is_no_picture_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    assert size(tmp_path / "x.png") is None
    assert size(tmp_path / "nothing.png") is None


def test_a_dropped_picture_is_not_taught(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "good", 6)
    assert without(paths, ["002.png", str(paths[4])]) == [paths[place] for place in (0, 1, 3, 5)]


def test_a_dropped_name_that_no_picture_has_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^00l\.png: is none of the pictures; did you mean 00.\.png\?$"):
        without(pictures(tmp_path / "good", 6), ["00l.png"])


def test_a_dropped_name_that_two_pictures_have_needs_its_folder(tmp_path: Path) -> None:
    paths = [*pictures(tmp_path / "a", 2), *pictures(tmp_path / "b", 2)]
    with pytest.raises(ConfigError, match=r"2 pictures are called 001\.png; give the folder, too:\n.*a/001"):
        without(paths, ["001.png"])
    assert without(paths, ["b/001.png"]) == paths[:3]
