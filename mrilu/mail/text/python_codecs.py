"""Which codecs Python has, asked without leaving a trace.

codecs.lookup keeps each name that it is asked for, the unknown ones too, and for good: mails could fill memory so.
"""

import encodings
import pkgutil
from encodings.aliases import aliases
from functools import lru_cache


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    modules = {found.name for found in pkgutil.iter_modules(encodings.__path__)}
    return frozenset(modules | set(aliases) | set(aliases.values()))


def is_codec(name: str) -> bool:
    """Tell whether Python has a codec of this name."""
    normal = encodings.normalize_encoding(name).lower()
    return normal in _names() or normal.replace(".", "_") in _names()
