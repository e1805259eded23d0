"""The Message-ID and the list of a mail that is rejected: its sender may ask what became of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from rq.timeouts import JobTimeoutException

from mrilu.archive.read_bytes import read_bytes
from mrilu.mail.headers.identifiers import parse_message_id
from mrilu.mail.headers.mailing_list import list_id_of
from mrilu.mail.message import Limits, RejectedMail
from mrilu.mail.tree.repair import open_mail
from mrilu.mail.tree.structure import Budget

logger = logging.getLogger(__name__)

HEAD_BYTES = 64 * 1024  # in which the fields are looked for; of a compressed mail nothing is


class RejectedHeader(NamedTuple):
    """What a rejected mail says of itself; `message_id` is "" where that cannot be read."""

    message_id: str = ""
    list_ids: tuple[str, ...] = ()


def header_of(root: Path, path: str) -> RejectedHeader:
    """Return what the header of a file says, nothing where it cannot be read. Raises JobTimeoutException."""
    try:
        return parse_header(read_bytes(root, path, HEAD_BYTES))
    except (OSError, RejectedMail):
        return RejectedHeader()
    except JobTimeoutException:
        raise
    except Exception:
        logger.exception("the header of a rejected mail cannot be read path=%s", path)
        return RejectedHeader()


def parse_header(raw: bytes) -> RejectedHeader:
    """Return what the header in these first bytes of a mail says. Raises RejectedMail."""
    fields: dict[str, str] = {}
    for name, value in open_mail(raw, Budget(Limits())).fields:
        fields.setdefault(name.lower(), value)
    list_id = list_id_of(fields)
    return RejectedHeader(
        parse_message_id(fields.get("message-id", "")), (list_id,) if list_id else ()
    )
