"""Brokers that several test files use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brokers import EmbeddedBroker, Mosquitto

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
