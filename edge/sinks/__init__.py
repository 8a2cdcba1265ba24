"""Where reports go."""

from typing import assert_never

from edge.config import JsonlSink, MqttSink, SinkConfig, Station
from edge.types import Sink


def open_sink(config: SinkConfig, station: Station) -> Sink:
    """The sink that the settings name, not yet entered. Raises `ConfigError` where its files are wrong."""
    match config:
        case MqttSink():
            from edge.sinks.mqtt import Mqtt

            return Mqtt(config, station)
        case JsonlSink():
            from edge.sinks.jsonl import Jsonl

            return Jsonl(config)
        case _:
            assert_never(config)
