"""What an edit of a definition changed, as people read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A vote changes the score, and who is credited may change: neither is a change of the definition.
_NOT_SHOWN = frozenset(("score", "username", "realname", "source_id", "definition"))


@dataclass(frozen=True)
class Change:
    """A field before and after; of a list (glosses, rafsi) what was added and removed instead."""

    field: str
    before: str = ""
    after: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def is_edited(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether a reader sees a difference between two versions of a definition."""
    return _text(before.get("definition")) != _text(after.get("definition")) or bool(
        changes_of(before, after)
    )


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the changes of all fields but the definition itself, in the order of the version's fields.

    A field that a version lacks is empty in it.
    """
    names = [name for name in dict.fromkeys((*after, *before)) if name not in _NOT_SHOWN]
    found = (_change(name, before.get(name), after.get(name)) for name in names)
    return tuple(change for change in found if change is not None)


def _change(field: str, before: Any, after: Any) -> Change | None:
    if isinstance(before, list) or isinstance(after, list):
        old, new = _texts(before), _texts(after)
        added = tuple(one for one in new if one not in old)
        removed = tuple(one for one in old if one not in new)
        if added or removed:
            return Change(field, added=added, removed=removed)
        # the order is what changed, or how often something stands there
        return None if old == new else Change(field, "; ".join(old), "; ".join(new))
    if isinstance(before, bool) or isinstance(after, bool):
        before, after = bool(before), bool(after)
    old_text, new_text = _text(before), _text(after)
    return None if old_text == new_text else Change(field, old_text, new_text)


def _texts(values: Any) -> list[str]:
    return [_text(one) for one in values or ()]


def _text(value: Any) -> str:
    """Return a value as people read it: a gloss with its sense and place, truth as + and −."""
    if isinstance(value, Mapping):
        return _gloss(value) if "text" in value else _pairs(value)
    if isinstance(value, bool):
        return "+" if value else "−"
    if isinstance(value, list):
        return ", ".join(_texts(value))
    return "" if value is None else str(value)


def _gloss(gloss: Mapping[str, Any]) -> str:
    sense = f" ({gloss['sense']})" if gloss.get("sense") else ""
    place = f" [x{gloss['place']}]" if gloss.get("place") else ""
    rest = _pairs({name: gloss[name] for name in gloss if name not in ("text", "sense", "place")})
    return f"{gloss['text']}{sense}{place}{f' {rest}' if rest else ''}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_text(one)}" for name, one in values.items() if _text(one))
