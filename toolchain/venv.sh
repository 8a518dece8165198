#!/bin/sh
# Makes the virtual environment DIR of the tree from requirements/NAME.lock, unless it stands already.
# usage: toolchain/venv.sh NAME DIR
# A stamp, written last, names lock, Python and place: an environment without its stamp is made anew.
set -eu

name=$1
dir=$2
tree=$(cd "$(dirname "$0")/.." && pwd -P)
lock=$tree/requirements/$name.lock
venv=$tree/$dir
log=$tree/$dir.log

fail() {
    printf 'spanmesh: %s\n' "$*" >&2
    exit 1
}

recent_enough() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in "${SPANMESH_PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if recent_enough "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

apt_install() {
    [ "$(id -u)" = 0 ] || fail "missing Debian package $1: run 'sudo apt-get install $1', then run this again"
    command -v apt-get >/dev/null 2>&1 ||
        fail "Python 3.11 or newer with its venv module is missing: install it with your distribution's package manager"
    printf 'spanmesh: installing the system package %s\n' "$1" >&2
    { apt-get -o DPkg::Lock::Timeout=120 update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=120 install -q -y --no-install-recommends "$1"; } >"$log" 2>&1 || {
        tail -n 10 "$log" >&2
        fail "apt-get could not install $1 (whole log: $log)"
    }
}

# What the environment has to be: this lock, the version of its own Python, this place.
current_stamp() {
    version=$("$venv/bin/python" --version 2>/dev/null) || return 1
    sum=$({ sha256sum "$lock" 2>/dev/null || shasum -a 256 "$lock"; } | cut -d ' ' -f 1)
    printf '%s %s %s\n' "$sum" "$version" "$venv"
}

[ -f "$lock" ] || fail "no lock file $lock"
if stamp=$(current_stamp) && [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

# One maker at a time; who waited looks again.
if [ -z "${SPANMESH_VENV_LOCKED:-}" ] && command -v flock >/dev/null 2>&1; then
    SPANMESH_VENV_LOCKED=1 exec flock "$tree/$dir.lock" sh "$0" "$name" "$dir"
fi

python=$(find_python) || {
    apt_install python3-venv
    python=$(find_python) || {
        apt_install python3.11-venv
        python=$(find_python) || fail "no Python 3.11 or newer found: install one, or name it in SPANMESH_PYTHON"
    }
}
"$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
    apt_install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"

printf 'spanmesh: making the Python environment %s from %s (about a minute, once)\n' "$dir" "requirements/$name.lock" >&2
rm -rf "$venv"
{
    "$python" -m venv "$venv" &&
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --only-binary :all: \
            --require-hashes -r "$lock" &&
        printf '%s\n' "$tree" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/spanmesh.pth" &&
        ln -s ../../spanmesh "$venv/bin/spanmesh"
} >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "the Python environment could not be made (whole log: $log); nothing of it is used, run this again"
}
current_stamp >"$venv/.stamp"
rm -f "$log"
