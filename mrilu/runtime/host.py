"""Who this service is among several: its host and its data folder."""

from __future__ import annotations

import hashlib
import os
import socket

from mrilu.settings.table import Settings


def service_name(settings: Settings) -> str:
    """Return what tells this service from all others, as HOST:NUMBER."""
    place = os.fsencode(os.path.realpath(settings.data_dir))
    return f"{socket.gethostname()}:{hashlib.sha256(place).hexdigest()[:12]}"


def host_of(service: str) -> str:
    """Return the host in a service's name."""
    return service.rpartition(":")[0]
