"""Make RQ's defaults ours in every Python of this .venv, so that a plain `rq worker mail` does the right thing.

Setup copies this file into the .venv's site-packages, where a .pth line imports it at each start of Python. It
imports nothing of RQ by itself: it waits for RQ's modules and changes defaults and fallbacks.

- JSON payloads instead of pickle: unpickling runs whatever code somebody with access to Redis put there.
- Only our jobs run: RQ imports and calls whatever dotted name a job in Redis has. A job is `jobs.NAME.NAME`; any other
  function, any callback and any method of an instance is refused, and the job fails with a line that says so.
- A worker that died is noticed after 45 s, not 7 minutes, and its job is taken up within 30 s, not 10 minutes;
  `rq worker-pool` has no option for either.
"""

import re
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def _set_defaults(module: ModuleType) -> None:
    module.__dict__.update(
        DEFAULT_SERIALIZER_CLASS="rq.serializers.JSONSerializer",
        DEFAULT_WORKER_TTL=45,
        DEFAULT_MAINTENANCE_TASK_INTERVAL=30,
    )


def _set_serializer(module: ModuleType) -> None:
    # resolve_serializer(None) reads these names: what names no serializer fails closed, instead of unpickling
    json = module.__dict__["JSONSerializer"]
    module.__dict__.update(DefaultSerializer=json, PickleSerializer=json)


_OUR_JOB = re.compile(r"jobs\.([a-z][a-z0-9_]*)\.\1")
ALSO: list[
    str
] = []  # beginnings of other names that may run; the tests' own, set by them in their process alone


def _refuse_others(module: ModuleType) -> None:
    """Let `rq.job` find our jobs only, whether it looks for a function or for a callback."""
    find, job = module.__dict__["import_attribute"], module.__dict__["Job"]
    function_of: Callable[[object], object] = job.func.fget

    def find_ours(name: object) -> object:
        if not isinstance(name, str) or not (
            _OUR_JOB.fullmatch(name) or name.startswith(tuple(ALSO))
        ):
            raise ValueError(f"{name!r} is not a job of mrilu's: it is not run")
        return find(name)

    def own_function(self: object) -> object:
        if getattr(self, "instance", None) is not None:
            raise ValueError("a method of an instance is not a job of mrilu's: it is not run")
        return function_of(self)

    module.__dict__["import_attribute"] = find_ours
    job.func = property(own_function)


_CHANGES = {
    "rq.defaults": _set_defaults,
    "rq.serializers": _set_serializer,
    "rq.job": _refuse_others,
}


class _Finder:
    """Finds RQ's modules as usual and changes them right after they have run."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in _CHANGES:
            return None
        spec = PathFinder.find_spec(name, path, target)  # type: ignore[arg-type]
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            _CHANGES[name](module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if _Finder not in sys.meta_path:
    sys.meta_path.insert(0, _Finder)
