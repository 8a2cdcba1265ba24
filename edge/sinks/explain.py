"""Why a broker could not be reached, for the person at the machine."""

import socket
import ssl


def explain(error: Exception, host: str, port: int) -> str:
    """What happened, where, and what to do."""
    match error:
        case ssl.SSLCertVerificationError():
            what = f"its certificate is not accepted: {error.verify_message}; see ca_file and host"
        case ssl.SSLError():
            what = f"TLS failed: {getattr(error, 'reason', None) or error}; is this the port for TLS?"
        case socket.gaierror():
            what = f"this name has no address: {error.strerror}; correct host, or the network's DNS"
        case ConnectionRefusedError():
            what = "nobody listens there; start the broker, or correct host and port"
        case TimeoutError():
            what = "does not answer; correct host and port, or look at the network and its firewall"
        case OSError():
            what = str(error.strerror or error)
        case _:
            what = f"does not speak MQTT as it should: {error}"
    return f"{host}:{port}: {what}"
