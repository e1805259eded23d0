"""Mail whose author does not want it in an archive that everyone can read."""

from collections.abc import Mapping

_YES = ("yes", "y", "true", "1", "on")
_NO = ("no", "n", "false", "0", "off")


def asks_for_no_archive(fields: Mapping[str, str]) -> bool:
    """Tell whether a mail asks for it: "X-No-Archive: yes", or "Archive: no" (RFC 5536, 3.2.2) and its older form.

    `fields` are by lower-case name. "Restrict: no-external-archive" is what some list servers write.
    """
    # By name, since this is asked of every mail: nearly none has any of these fields.
    if "x-no-archive" in fields and _word(fields["x-no-archive"]) in _YES:
        return True
    if "archive" in fields and _word(fields["archive"]) in _NO:
        return True
    if "x-archive" in fields and _word(fields["x-archive"]) in _NO:
        return True
    return "restrict" in fields and _word(fields["restrict"]) == "no-external-archive"


def _word(value: str) -> str:
    return value[:100].partition(";")[0].partition("(")[0].strip().lower()
