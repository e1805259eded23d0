"""Make RQ's defaults ours in every Python of this .venv, so that a plain `rq worker mail` does the right thing.

Setup copies this file into the .venv's site-packages, where a .pth line imports it at each start of Python. It
imports nothing of RQ by itself: it waits for RQ's modules and changes three defaults and one fallback.

- JSON payloads instead of pickle: unpickling runs whatever code somebody with access to Redis put there.
- A worker that died is noticed after 45 s, not 7 minutes, and its job is taken up within 30 s, not 10 minutes;
  `rq worker-pool` has no option for either.
"""

import sys
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


_CHANGES = {"rq.defaults": _set_defaults, "rq.serializers": _set_serializer}


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
