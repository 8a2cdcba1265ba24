"""`edge broker`: an MQTT broker for trying things out, on this machine only.

It is the embedded one of the extra `broker` (amqtt): MQTT 3.1.1, everybody is let in, nothing survives its end.
A plant runs a real one: see `firmware_config/mosquitto/`.
"""

import asyncio
import logging
import os
import signal
from typing import Annotated, Any

import typer

from edge.errors import DeviceError

_LOOPBACK = "127.0.0.1"


def broker(
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port on 127.0.0.1.")] = 1883,
    websocket_port: Annotated[
        int, typer.Option(min=0, max=65535, help="WebSocket port on 127.0.0.1; 0 is none.")
    ] = 0,
) -> None:
    """Run a small MQTT broker on this machine, for trying things out."""
    # It reports every client that leaves without a good-bye as a fault of its own.
    for library in ("amqtt", "transitions", "websockets"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    asyncio.run(_serve(port, websocket_port))


async def _serve(port: int, websocket_port: int) -> None:
    stopping = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    running = await _start(port, websocket_port)
    also = f" and ws://{_LOOPBACK}:{websocket_port}" if websocket_port else ""
    typer.echo(f"broker ready: mqtt://{_LOOPBACK}:{port}{also}")
    await stopping.wait()
    await running.shutdown()


async def _start(port: int, websocket_port: int) -> Any:
    try:
        from amqtt.broker import Broker
        from amqtt.errors import BrokerError
    except ImportError as err:
        raise DeviceError(
            f"the embedded broker is not installed: run pip install 'edge-inspect[broker]' ({err})"
        ) from err
    listeners = {"default": {"type": "tcp", "bind": f"{_LOOPBACK}:{port}"}}
    if websocket_port:
        listeners["websocket"] = {"type": "ws", "bind": f"{_LOOPBACK}:{websocket_port}"}
    started = Broker(
        {
            "listeners": listeners,
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    try:
        await started.start()
    except BrokerError as err:
        cause = err.__cause__
        why = os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else str(err)
        ports = " and ".join(str(number) for number in (port, websocket_port) if number)
        raise DeviceError(
            f"the broker cannot listen on {_LOOPBACK} port {ports}: {why}; choose another"
        ) from err
    return started
