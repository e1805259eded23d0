"""OpenVINO without the message to an analytics service that its import sends."""

from __future__ import annotations

import sys
from typing import Any


def import_openvino() -> Any:
    """Return the module openvino, imported so that nothing leaves this machine. Raises ImportError.

    Its import calls openvino_telemetry, which reports to Google Analytics from a process of its own. Where that
    package cannot be imported, openvino works with a stub that does nothing.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino
