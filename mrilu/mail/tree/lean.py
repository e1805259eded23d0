"""The fast way: well-formed mails are cut into Parts with bytes operations alone.

Whatever is not plainly well formed (a boundary that never closes, an odd header line in a part, a carriage
return in a multipart) is left to the standard library; on what is done here both agree, which tests show.
"""

from mrilu.mail.headers.fields import Fields, split_fields
from mrilu.mail.tree.boundaries import with_own_boundaries
from mrilu.mail.tree.repair import has_delimiter
from mrilu.mail.tree.stdlib import MAY_WRAP, open_message, open_wrapped
from mrilu.mail.tree.structure import NESTED_TYPES, Budget, Part, default_type_in, make_part


def build_lean_tree(
    fields: Fields, body: bytes, budget: Budget, depth: int = 0, default_type: str = "text/plain"
) -> Part | None:
    """The same tree that the standard library gives, or None where that has to be asked; raises RejectedMail."""
    budget.count_part()
    budget.count_fields(len(fields))
    budget.check_depth(depth)
    part = make_part(fields, default_type)
    kind = part.content_type
    if kind.startswith("multipart/"):
        return _with_children(part, body, budget, depth)
    if kind in NESTED_TYPES:
        return _with_message(part, body, budget, depth)
    part.payload = body
    if kind in MAY_WRAP:
        open_wrapped(part, budget, depth)
    return part


def _with_children(part: Part, body: bytes, budget: Budget, depth: int) -> Part | None:
    boundary = part.parameters.get("boundary", "").rstrip()
    if not boundary or not boundary.isascii() or b"\r" in body:
        return None
    if depth == 0:
        if has_delimiter(part.fields):
            return None
        body = with_own_boundaries(part.fields, body)
    regions = _split_at(b"--" + boundary.encode("ascii"), body)
    if not regions:
        return None
    default_type = default_type_in(part.content_type)
    for region in regions:
        child = _region_part(region, budget, depth + 1, default_type)
        if child is None:
            return None
        part.children.append(child)
    return part


def _split_at(delimiter: bytes, body: bytes) -> list[bytes]:
    """What stands between the delimiter lines (RFC 2046, 5.1.1); [] unless the last one, and that one only, closes."""
    regions: list[bytes] = []
    start, position = -1, 0 if body.startswith(delimiter) else _next_delimiter(body, delimiter, 0)
    while position >= 0:
        end = body.find(b"\n", position)
        end = len(body) if end < 0 else end
        tail = body[position + len(delimiter) : end].rstrip(b" \t")
        if not tail or tail == b"--":
            if start == position:
                return []
            if start >= 0:
                regions.append(body[start:position])
            if tail:
                return regions if _next_delimiter(body, delimiter, end) < 0 else []
            start = end + 1
        position = _next_delimiter(body, delimiter, end)
    return []


def _next_delimiter(body: bytes, delimiter: bytes, after: int) -> int:
    """Where the next line that begins with the delimiter starts; -1 where none does."""
    found = body.find(b"\n" + delimiter, after)
    return found + 1 if found >= 0 else -1


def _region_part(region: bytes, budget: Budget, depth: int, default_type: str) -> Part | None:
    """A part from its header and body; the line end before the delimiter belongs to the delimiter."""
    if region.startswith(b"\n"):
        return build_lean_tree([], region[1:-1], budget, depth, default_type)
    found = _header_and_body(region)
    if found is None:
        return None
    return build_lean_tree(found[0], found[1].removesuffix(b"\n"), budget, depth, default_type)


def _header_and_body(text: bytes) -> tuple[Fields, bytes] | None:
    end = text.find(b"\n\n")
    header, body = (text, b"") if end < 0 else (text[: end + 1], text[end + 2 :])
    fields = split_fields(header)
    return None if fields is None else (fields, body)


def _with_message(part: Part, body: bytes, budget: Budget, depth: int) -> Part | None:
    part.payload = body
    if part.encoding:
        open_message(part, budget, depth)
        return part
    if not body or b"\r" in body or body.startswith(b"\n"):
        return None
    found = _header_and_body(body)
    child = build_lean_tree(found[0], found[1], budget, depth + 1) if found else None
    if child is None:
        return None
    part.children.append(child)
    return part
