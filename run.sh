#!/usr/bin/env bash
# The front door: `./run.sh` starts the service; `./run.sh test [pytest's arguments]`; `./run.sh setup` only installs;
# every other word is a command of cli/.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
venv="$here/.venv/bin/python"

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "mrilu: needs Python 3.11 or newer, and found none: install it, or name it in PYTHON" >&2
    return 1
}

set_up() {
    local python="$venv"
    if ! "$venv" -I -c 'import pip' 2>/dev/null; then python="$(find_python)"; fi
    # In the background, so that a signal to this shell ends it too, and does not leave it working alone.
    "$python" -I "$here/mrilu/service/install.py" "$1" &
    local installer=$! code=0
    trap 'kill "$installer" 2>/dev/null || true' INT TERM
    wait "$installer" || code=$?
    while kill -0 "$installer" 2>/dev/null; do wait "$installer" || code=$?; done
    trap - INT TERM
    return "$code"
}

word="${1:-up}"
if [ "$#" -gt 0 ]; then shift; fi
# -P and -I: the caller's folder is not a place to import from; its own jobs.py or pip.py must not stand in for ours.
export PYTHONPATH="$here"
case "$word" in
    test)
        set_up all
        cd -- "$here"
        exec "$venv" -P -m pytest "$@"
        ;;
    setup)
        set_up all
        ;;
    *)
        set_up core
        exec "$venv" -P -m mrilu.cli "$word" "$@"
        ;;
esac
