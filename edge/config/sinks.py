"""Where reports go: a table for each kind of sink."""

from typing import Annotated, Literal

from pydantic import Field

from edge.table import FilePath, Table


class MqttSink(Table):
    """An MQTT broker: MQTT 5, falling back to 3.1.1."""

    type: Literal["mqtt"]
    host: str = Field("localhost", min_length=1, description="Name or address of the broker.")
    port: int = Field(1883, ge=1, le=65535, description="1883, or 8883 with TLS.")
    transport: Literal["tcp", "websockets"] = Field("tcp", description="How the broker is reached.")
    keepalive_s: int = Field(
        30, ge=5, le=3600, description="The broker misses us after one and a half of it."
    )
    username: str | None = Field(None, description="User name at the broker.")
    password_file: FilePath | None = Field(
        None, description="File that holds the password, or a credential's name."
    )
    tls: bool = Field(default=False, description="Encrypt, and check the broker's certificate and name.")
    ca_file: FilePath | None = Field(
        None, description="Certificates that sign the broker's; none: the system's."
    )
    cert_file: FilePath | None = Field(None, description="Certificate of this device.")
    key_file: FilePath | None = Field(None, description="Private key of this device; not readable by others.")
    insecure_skip_hostname_check: bool = Field(
        default=False, description="Accept any name in the broker's certificate."
    )
    window: int = Field(
        8, ge=1, le=64, description="Unacknowledged messages at most; the broker may want fewer."
    )
    batch: int = Field(1, ge=1, le=500, description="Results in one message; over 1 the payload is an array.")
    ack_timeout_s: float = Field(20.0, gt=0, le=300, description="No acknowledgement for so long: reconnect.")
    commands: bool = Field(default=True, description="Listen to commands on cmd/…")
    last_fail_image: bool = Field(
        default=True, description="Publish a small picture of the last part that failed."
    )


class JsonlSink(Table):
    """A file with a JSON object a line."""

    type: Literal["jsonl"]
    path: FilePath = Field(description="The file; lines are appended.")


SinkConfig = Annotated[MqttSink | JsonlSink, Field(discriminator="type")]
