"""What several test files use: brokers, and a lesson."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brokers import EmbeddedBroker, Mosquitto
from washers import Lesson, album, quick_lesson

from edge.teach.lesson import Taught, Wishes, teach

StartMosquitto = Callable[..., Mosquitto]


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[StartMosquitto]:
    """Starts a mosquitto with settings of its own; ended after the test."""
    started: list[Mosquitto] = []

    def start(*settings: str, **options: str) -> Mosquitto:
        started.append(Mosquitto(tmp_path, *settings, **options).start())
        return started[-1]

    yield start
    for mosquitto in started:
        mosquitto.stop()


@pytest.fixture
def mosquitto(start_mosquitto: StartMosquitto) -> Mosquitto:
    """A mosquitto on loopback that lets everybody in."""
    return start_mosquitto()


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The broker of the extra `broker`, shared by all tests: use topics of your own."""
    pytest.importorskip("amqtt")
    started = EmbeddedBroker()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """A lesson on ten good washers and two bad ones, with all defaults. Its bundle is read only."""
    folder = tmp_path_factory.mktemp("taught")
    good, bad = album(folder / "good", range(10)), album(folder / "bad", (50, 51), scratched=True)
    return teach("washer", good, folder / "shelf", bad=bad, wishes=Wishes(force=True))


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """See `quick_lesson`."""
    folder = tmp_path_factory.mktemp("quick")
    return quick_lesson(folder, folder / "shelf")
