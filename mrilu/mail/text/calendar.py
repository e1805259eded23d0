"""What a calendar (RFC 5545) says to a person: summary, times in their zone, place, description.

A few properties of broken and whole files alike are read; libraries for iCalendar raise on the former, and bring a
database of zones along for what is only shown here.
"""

from __future__ import annotations

import re

_FOLD = re.compile(r"\n[ \t]")
_PROPERTY = re.compile(r"([A-Za-z-]{1,40})((?>(?:;[^:\";]{1,200}(?:\"[^\"]{0,200}\")?)*)):(.*)")
_PARAMETER = re.compile(r";([A-Za-z-]{1,40})=\"?([^\";:]{1,200})")
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(?:\d\d)?(Z?))?")
_ESCAPED = re.compile(r"\\([nN,;\\])")
_COMPONENTS = frozenset({"VEVENT", "VTODO", "VJOURNAL"})
_LABELS = {
    "DTSTART": "When",
    "DTEND": "Until",
    "DUE": "Due",
    "RRULE": "Repeats",
    "LOCATION": "Where",
    "STATUS": "Status",
}
_TIMES = frozenset({"DTSTART", "DTEND", "DUE"})
_MOST_COMPONENTS = 100
_MOST_LINES = 100_000


def calendar_text(text: str) -> str:
    """Return the events, tasks and notes of a calendar as text, "" where there is none.

    Times are as they were written, with their zone's name: "2021-11-09 18:50 (Europe/Berlin)".
    """
    lines = _FOLD.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n", _MOST_LINES)
    found: list[str] = []
    component: dict[str, str] | None = None
    inner = 0
    for line in lines[:_MOST_LINES]:
        match = _PROPERTY.match(line)
        if match is None:
            continue
        name, value = match[1].upper(), match[3].strip()
        if name == "BEGIN":
            inner += component is not None  # an alarm has a description, too
            component = {} if component is None and value.upper() in _COMPONENTS else component
        elif name == "END" and component is not None:
            if not inner:
                found.append(_shown(component))
                component = None
            inner = max(0, inner - 1)
        elif component is not None and not inner:
            component.setdefault(name, _value(name, match[2], value))
    if component is not None:
        found.append(_shown(component))
    return "\n\n".join(list(dict.fromkeys(one for one in found if one))[:_MOST_COMPONENTS])


def _value(name: str, parameters: str, value: str) -> str:
    if name not in _TIMES:
        return _ESCAPED.sub(lambda one: "\n" if one[1] in "nN" else one[1], value)
    match = _TIME.match(value)
    if not match:
        return value
    day, clock = "-".join(match.group(1, 2, 3)), ""
    if match[4]:
        zones = (given[1] for given in _zones(parameters))
        zone = "UTC" if match[6] else next(zones, "")
        clock = f" {match[4]}:{match[5]}" + (f" ({zone})" if zone else "")
    return day + clock


def _zones(parameters: str) -> list[tuple[str, str]]:
    return [
        (found[1], found[2])
        for found in _PARAMETER.finditer(parameters)
        if found[1].upper() == "TZID"
    ]


def _shown(component: dict[str, str]) -> str:
    lines = [component.get("SUMMARY", "").strip()]
    for name, label in _LABELS.items():
        value = " ".join(component.get(name, "").split())
        if value and (name != "STATUS" or value.upper() == "CANCELLED"):
            lines.append(f"{label}: {value}")
    head = "\n".join(line for line in lines if line)
    description = component.get("DESCRIPTION", "").strip()
    return "\n\n".join(part for part in (head, description) if part)
