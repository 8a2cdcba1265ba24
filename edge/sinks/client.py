"""paho's client, as a station presents itself to a broker: the doctor's visit proves the same login."""

import ssl

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.config import MqttSink
from edge.sinks.reason import Version


def new_client(
    sink: MqttSink, client_id: str, password: str | None, tls: ssl.SSLContext | None, version: Version
) -> Client:
    """Not connected yet, and it never connects again by itself."""
    newer = version is Version.V5
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=None if newer else True,
        protocol=MQTTProtocolVersion.MQTTv5 if newer else MQTTProtocolVersion.MQTTv311,
        transport=sink.transport,
        reconnect_on_failure=False,
    )
    if sink.username is not None:
        client.username_pw_set(sink.username, password)
    if tls is not None:
        client.tls_set_context(tls)
        client.tls_insecure_set(sink.insecure_skip_hostname_check)
    return client
