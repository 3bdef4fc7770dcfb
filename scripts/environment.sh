# Sourced by the other scripts, which set `root` to the checkout: makes .venv what uv.lock says and
# puts uv on PATH.  The second time it takes a moment and needs no network.

# A shim on PATH may stand for a program that is not installed: only what runs counts.
_find_python() {
    for python in "${PYTHON:-python3}" python python3.13 python3.12 python3.11 python3.10; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            return 0
        fi
    done
    echo "Python 3.10 or newer was not found on PATH: install it (on Debian and Ubuntu: apt-get install python3 python3-venv)." >&2
    return 1
}

_uv_works() {
    # Older ones know no dependency groups.
    "$1" --version 2>/dev/null | "$python" -c '
import re, sys
found = re.search(r"(\d+)\.(\d+)", sys.stdin.read())
sys.exit(found is None or tuple(map(int, found.groups())) < (0, 8))'
}

_find_uv() {
    for uv in uv "$root/.venvs/uv/bin/uv"; do
        if _uv_works "$uv"; then
            return 0
        fi
    done
    uv=$root/.venvs/uv/bin/uv
    echo "Installing uv into .venvs/uv ..." >&2
    if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        "$python" -m venv --clear "$root/.venvs/uv" &&
            "$root/.venvs/uv/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
    elif "$python" -m pip --version >/dev/null 2>&1; then
        # Into a folder of its own: the interpreter's own packages stay as they are.
        rm -rf "$root/.venvs/uv" &&
            "$python" -m pip install --quiet --disable-pip-version-check --target "$root/.venvs/uv" 'uv>=0.8'
    else
        echo "$("$python" -c 'import sys; print(sys.executable)') has neither venv nor pip: install one of them (on Debian and Ubuntu: apt-get install python3-venv)." >&2
        return 1
    fi
}

_make_environment() {
    # What the caller's shell has activated or set for other projects is not meant for this one.
    unset VIRTUAL_ENV PYTHONHOME PYTHONPATH
    export UV_PROJECT_ENVIRONMENT="$root/.venv"
    set -- sync --project "$root" --all-packages --frozen --quiet
    if ! [ -x "$root/.venv/bin/python" ]; then
        echo "Making the environment in .venv ..." >&2
        set -- "$@" --python "$python"
    fi
    # Takes the place of whatever version made .venv, and downloads no interpreter.
    UV_PYTHON_DOWNLOADS=never "$uv" "$@"
}

_find_python && _find_uv && _make_environment || exit 1
case $uv in
*/*) export PATH="$(dirname "$uv"):$PATH" ;;
esac
