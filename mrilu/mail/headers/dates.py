"""When a mail was sent: Date and its broken forms (RFC 5322, 3.3 and 4.3; asctime; ISO 8601), else the next best.

Which of them a mail gets is the order of `_sent_at` (mrilu/mail/parse.py).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from mrilu.mail.headers.encoded_words import decode_header

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january ene gen januar janvier enero gennaio janeiro sty tammi янв ιαν",
            "feb february fev fév februar février febrero febbraio fevereiro lut helmi фев φεβ",
            "mar march mär mrz märz mars marzo março mrt maart maalis мар μαρ",
            "apr april avr avril abr abril aprile kwi huhti апр апр απρ",
            "may mai mayo mag mei maj maggio maio touko май мая μαι",
            "jun june juin junio giu juni giugno junho cze kesä июн ιουν",
            "jul july juil juillet julio lug juli luglio julho lip heinä июл ιουλ",
            "aug august août aout ago agosto augustus sie elo авг αυγ",
            "sep sept september septembre septiembre set settembre setembro wrz syys сен σεπ",
            "oct october okt octobre octubre ott oktober ottobre out outubro paź loka окт οκτ",
            "nov november novembre noviembre novembro lis marras ноя νοε",
            "dec december dez déc dic dezember décembre diciembre dicembre dezembro des gru joulu дек δεκ",
        ),
        1,
    )
    for name in names.split()
}
# RFC 5322, 4.3, and the zones that list mail is full of (hours east of Greenwich).
_ZONES = {
    "ut": 0,
    "utc": 0,
    "gmt": 0,
    "z": 0,
    "wet": 0,
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
    "akst": -9,
    "akdt": -8,
    "hst": -10,
    "ast": -4,
    "adt": -3,
    "nst": -3.5,
    "ndt": -2.5,
    "bst": 1,
    "west": 1,
    "cet": 1,
    "met": 1,
    "mez": 1,
    "cest": 2,
    "mest": 2,
    "mesz": 2,
    "eet": 2,
    "eest": 3,
    "msk": 3,
    "msd": 4,
    "ist": 5.5,
    "jst": 9,
    "kst": 9,
    "hkt": 8,
    "sgt": 8,
    "awst": 8,
    "aest": 10,
    "aedt": 11,
    "eadt": 11,
    "east": 10,
    "acst": 9.5,
    "acdt": 10.5,
    "nzst": 12,
    "nzdt": 13,
    "sast": 2,
    "brt": -3,
    "brst": -2,
    "art": -3,
    "clt": -4,
    "pkt": 5,
    "wib": 7,
    "ict": 7,
}
_USUAL = re.compile(
    r"(?:[A-Za-z]{3}, )? ?(\d{1,2}) ([A-Z][a-z]{2}) ([1-9]\d{3}) ([01]\d|2[0-3]):(\d\d)(?::(\d\d))?"
    r" ([+-])(\d\d)(\d\d)(?: \([^()]{1,40}\))?\Z"
)
_ISO = re.compile(
    r"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?)?\s*"
)
_CLOCK = re.compile(
    # Behind it no further number; a lone colon is what is left of seconds that were cut.
    r"(?<![\d:.])(\d{1,2})\s?:\s?(\d{1,2})(?:\s?:\s?(\d{1,2})(?:[.,]\d{1,9})?)?(?!\d|\s?:\s?\d)"
    r"\s*(?:([AaPp])\.?[Mm]\b\.?)?"
)
_DOTTED_CLOCK = re.compile(
    r"(?<![\d:.])(\d{1,2})\.(\d{2})(?:\.(\d{2}))?(?!\.?\d)\s*(?:([AaPp])\.?[Mm]\b\.?)?"
)
_COMPACT = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d{1,9})?)?)?(?![\d:])"
)
_OFFSET = re.compile(
    r"(?:(?<=GMT)|(?<=UTC)|(?<=UT)|(?<=[\s\d)\"])|^)\s*([+-])\s?(\d{1,2}):?(\d{2})?(?![\d])"
)
# A zone whose sign was lost ("0100"), behind the clock; no year looks like it. All but a few zones that mail comes
# from are east of Greenwich, or are named as well.
_UNSIGNED = re.compile(r"(?<!\S)(0\d|1[0-4]):?(00|15|30|45)(?![\d:.,/+-])")
# "Pacific Daylight Time", as Windows names its zones.
_NAMED_ZONE = re.compile(
    r"\b(atlantic|eastern|central|mountain|pacific) (standard|daylight)", re.IGNORECASE
)
_NAMED_HOURS = {"atlantic": -4, "eastern": -5, "central": -6, "mountain": -7, "pacific": -8}
_SUMMER = re.compile(r"\s*DST\b", re.IGNORECASE)
_DOTTED = re.compile(r"\d\.\d")
_WORD = re.compile(r"[^\W\d_]{1,12}\.?")
_NUMBER = re.compile(r"\d{1,6}")
_COMMENT = re.compile(r"\(([^()]{0,100})\)")
_FILE_SECONDS = re.compile(r"(\d{9,11})(?=\D|\Z)")
_FROM_LINE = re.compile(r"\S+\s+(.*)", re.DOTALL)
_MAX_CHARS = 300
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StatedDate(NamedTuple):
    """An instant in UTC, and how many minutes east of Greenwich the clock was that showed it."""

    instant: datetime
    offset: int


@lru_cache(maxsize=256)
def _zone(sign: str, hours: str, minutes: str) -> timezone:
    total = min(int(hours), 23) * 60 + min(int(minutes or 0), 59)
    return timezone(timedelta(minutes=-total if sign == "-" else total))


def parse_date(value: str) -> datetime | None:
    """The instant in UTC that a date text means, or None; without a zone it is taken as UTC. Never raises."""
    stated = stated_date(value)
    return stated.instant if stated else None


def stated_date(value: str) -> StatedDate | None:
    """The same, with the zone's offset. Never raises."""
    try:
        if (moment := _parse_any(value)) is None:
            return None
        offset = moment.utcoffset() or timedelta()
        return StatedDate(moment.astimezone(UTC), int(offset.total_seconds()) // 60)
    except (ValueError, KeyError, OverflowError):
        return None


def _parse_any(value: str) -> datetime | None:
    if match := _USUAL.match(value):
        day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
        return datetime(
            int(year),
            _MONTHS[month.lower()],
            int(day),
            int(hour),
            int(minute),
            min(int(second or 0), 59),
            tzinfo=_zone(sign, hours, minutes),
        )
    text = value[:_MAX_CHARS]
    if not text.isascii() or "=?" in text:
        text = decode_header(text).replace("\u2013", "-").replace("\u2212", "-")
    return _parse_loosely(" ".join(text.split()))


def _parse_loosely(text: str) -> datetime | None:
    if match := _ISO.match(text) or _COMPACT.match(text):
        year, month, day, hour, minute, second = (int(found or 0) for found in match.groups())
        return _at(year, month, day, hour, minute, second, text[match.end() :], text)
    bare = " ".join(_COMMENT.sub(" ", text).split())
    clock = _CLOCK.search(bare) or _DOTTED_CLOCK.search(bare)
    hour, minute, second = _clock_time(clock) if clock else (0, 0, 0)
    before = bare[: clock.start()] if clock else bare
    after = bare[clock.end() :] if clock else ""
    if not (found := _calendar_day(before, after)):
        return None
    moment = (*found, hour, minute, second)
    return _at(*moment, after, text) if after.strip() else _at(*moment, text)


def _clock_time(clock: re.Match[str]) -> tuple[int, int, int]:
    hour = int(clock[1])
    if clock[4]:
        hour = hour % 12 + (12 if clock[4] in "Pp" else 0)
    return hour, int(clock[2]), int(clock[3] or 0)


def _calendar_day(before: str, after: str) -> tuple[int, int, int] | None:
    """Year, month, day from the text around the clock; asctime has its year behind it (C, 7.27.3.1)."""
    month = _month_in(before) or _month_in(after)
    numbers = _NUMBER.findall(before)
    if not month:
        return _numeric_day(numbers, day_first=bool(_DOTTED.search(before)))
    if len(numbers) == 1:
        without_offset = _OFFSET.sub(" ", after)
        numbers += [
            found
            for found in _NUMBER.findall(without_offset)
            if len(found) in (2, 4) and not _UNSIGNED.fullmatch(found)
        ][:1]
    if len(numbers) < 2:
        return None
    if len(numbers[0]) == 4:
        return int(numbers[0]), month, int(numbers[1])
    return full_year(numbers[1]), month, int(numbers[0])


def _month_in(text: str) -> int:
    """The last month named, as "mar." may be a weekday before it; 0 for none."""
    return next(
        (
            number
            for word in reversed(_WORD.findall(text))
            if (number := _month_of(word.rstrip(".").lower()))
        ),
        0,
    )


def _month_of(word: str) -> int:
    """Cyrillic and Greek months are known by their first letters, as their endings are inflected."""
    return _MONTHS.get(word, 0) or (
        0 if word.isascii() else _MONTHS.get(word[:3], 0) or _MONTHS.get(word[:4], 0)
    )


def _numeric_day(numbers: list[str], day_first: bool) -> tuple[int, int, int] | None:
    """ "09/11/1999": the American order unless the first number is not a month; with dots the day comes first."""
    if len(numbers) < 3:
        return None
    if len(numbers[0]) == 4:
        return int(numbers[0]), int(numbers[1]), int(numbers[2])
    first, second = int(numbers[0]), int(numbers[1])
    month, day = (second, first) if day_first or first > 12 else (first, second)
    return full_year(numbers[2]), month, day


def full_year(digits: str) -> int:
    """A year of two or three digits means 1950-2049 and 1900 + n (RFC 5322, 4.3: "102" is 2002).

    Programs that were not ready for 2000 wrote "19100", and "0003" for 2003.
    """
    year = int(digits)
    if len(digits) == 5 and 19100 <= year <= 19199:
        return year - 17100
    if len(digits) == 2 or len(digits) == 4 and year < 100:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _at(
    year: int, month: int, day: int, hour: int, minute: int, second: int, rest: str, whole: str = ""
) -> datetime:
    if hour > 24:
        raise ValueError("no such hour")
    zone = _zone_in(rest, whole)
    moment = datetime(year, month, day, hour % 24, minute, min(second, 59), tzinfo=zone)
    return moment + timedelta(days=hour // 24)


def _zone_in(text: str, whole: str) -> timezone:
    """The zone that `text` states or names; one without a sign counts behind the clock alone, in a `whole` date."""
    if match := _OFFSET.search(text):
        return _zone(match[1], match[2], match[3] or "0")
    named = _named_zone(text)
    if whole and not named and (match := _UNSIGNED.search(text)):
        stated, told = _zone("+", match[1], match[2]), _named_zone(whole)
        same = told and abs(told) == stated.utcoffset(None)
        return timezone(told) if told and same else stated
    return timezone(named) if named else UTC


def _named_zone(text: str) -> timedelta | None:
    """How far east of Greenwich the zone named in `text` is."""
    if named := _NAMED_ZONE.search(text):
        return timedelta(hours=_NAMED_HOURS[named[1].lower()] + (named[2].lower() == "daylight"))
    for word in _WORD.finditer(text):
        if (hours := _ZONES.get(word[0].rstrip(".").lower())) is not None:
            return timedelta(hours=hours + bool(_SUMMER.match(text, word.end())))
    return None


def parse_from_line(line: str) -> datetime | None:
    """The date of an mbox separator "From sender date" (RFC 4155, appendix A)."""
    rest = line.removeprefix(">").removeprefix("From ")
    match = _FROM_LINE.match(rest.strip())
    return parse_date(match[1]) if match else None


def is_plausible(moment: datetime | None) -> bool:
    """No mail is older than 1970 (when Unix time starts) nor from after the end of next year."""
    return moment is not None and EPOCH < moment and moment.year <= datetime.now(UTC).year + 1


def newest_received(values: list[str]) -> datetime | None:
    """The plausible date of the topmost Received field that has one: they end in "; date" (RFC 5321, 4.4).

    Each server puts its field on top, so this is the newest whatever the clocks of the others say.
    """
    for value in values[:100]:
        moment = parse_date(_COMMENT.sub(" ", value[-2000:]).rpartition(";")[2].strip())
        if moment and is_plausible(moment):
            return moment
    return None


def from_seconds(seconds: float | None) -> datetime | None:
    """Unix seconds as UTC; None where they are missing or out of range."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def file_name_date(file_name: str) -> datetime | None:
    """The delivery time that leads a Maildir file's name ("1382298770.002195:2,S", seconds)."""
    match = _FILE_SECONDS.match(file_name.replace("\\", "/").rpartition("/")[2])
    return from_seconds(int(match[1])) if match else None
