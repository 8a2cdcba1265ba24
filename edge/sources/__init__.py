"""Where frames come from: one file a kind of source, and its library is loaded only where it is used."""

from typing import assert_never

from edge.config import (
    FolderSource,
    GStreamerSource,
    OpenCVSource,
    Picamera2Source,
    SourceConfig,
    SyntheticSource,
    WatchSource,
)
from edge.types import Source


def open_source(config: SourceConfig) -> Source:
    """The configured source, not yet entered. Raises `ConfigError` where a setting cannot be used."""
    match config:
        case FolderSource():
            from edge.sources.folder import Folder

            return Folder(config)
        case WatchSource():
            from edge.sources.watch import Watch

            return Watch(config)
        case SyntheticSource():
            from edge.sources.synthetic import Synthetic

            return Synthetic(config)
        case OpenCVSource():
            from edge.sources.opencv import OpenCV

            return OpenCV(config)
        case Picamera2Source():
            from edge.sources.picamera2 import Picamera2

            return Picamera2(config)
        case GStreamerSource():
            from edge.sources.gstreamer import GStreamer

            return GStreamer(config)
        case _:
            assert_never(config)
