"""Lets picamera2 drive libcamera's virtual camera, and pull its plug. Python loads it by itself from PYTHONPATH.

picamera2 is made for the cameras of a Raspberry Pi. The virtual one has no raw stream, gives buffers of two
planes, which only libcamera's own allocator makes, and does not keep its rate. A file says what befalls it:

    idle      it gives no frame, as when no trigger comes
    lost      its frames come back cancelled, as a Raspberry Pi's do when the sensor's cable is out
    broken    picamera2's thread dies of an exception
    hanging   a call into the driver does not come back
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

FATE = Path(os.environ.get("CAMERA_FATE", "/nonexistent"))
PERIOD_S = 1 / float(os.environ.get("CAMERA_RATE_HZ", "30"))


def adapt(module: ModuleType) -> None:
    """Change what the virtual camera cannot do."""
    import libcamera
    from picamera2.allocators import LibcameraAllocator

    camera_class, manager_class = module.Picamera2, type(module.Picamera2._cm)
    open_camera, handle_request = camera_class.__init__, manager_class.handle_request

    def raw_modes(self: Any) -> list[dict[str, Any]]:
        formats = self.camera.generate_configuration([libcamera.StreamRole.VideoRecording]).at(0).formats
        return [
            {"format": str(name), "size": (size.width, size.height)}
            for name in formats.pixel_formats
            for size in formats.sizes(name)
        ]

    def opened(self: Any, *settings: Any, **named: Any) -> None:
        open_camera(self, *settings, **named)
        self.allocator = LibcameraAllocator(self.camera)
        self.pre_callback = break_down

    def paced(self: Any, flushid: Any = None) -> None:
        time.sleep(PERIOD_S)
        while fate() in {"idle", "hanging"}:
            time.sleep(PERIOD_S)
        if fate() == "lost":
            self.cms.get_ready_requests()
        else:
            handle_request(self, flushid)

    camera_class._get_raw_modes = raw_modes
    camera_class.__init__ = opened
    manager_class.handle_request = paced


def fate() -> str:
    """What befalls the camera now."""
    try:
        return FATE.read_text().strip()
    except FileNotFoundError:
        return ""


def break_down(_request: Any) -> None:
    """Raise, once for each time that it is wished for."""
    if fate() == "broken":
        FATE.unlink()
        raise RuntimeError("the proof broke picamera2's thread")


class Adapter(importlib.abc.MetaPathFinder):
    """Finds picamera2 as Python would, and adapts it once it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc`."""
        if name != "picamera2":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                adapt(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Adapter())
