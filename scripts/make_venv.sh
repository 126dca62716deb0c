#!/bin/sh
# Make a virtual environment with pip in folder $1, also where Debian's python3-venv package is missing:
# there `python3 -m venv` has no pip to copy, so pip's own wheel, which can run itself, is fetched from PyPI.
set -eu
python=${PYTHON:-python3}
folder=$1
command -v "$python" >/dev/null || { echo "make: $python not found; install Python 3.11 or newer, or name one with PYTHON=..." >&2; exit 2; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "make: $("$python" --version) is too old; prox needs Python 3.11 or newer, name one with PYTHON=..." >&2
    exit 2
}
[ -x "$folder/bin/pip" ] && exit 0
if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv "$folder"
    exit 0
fi
"$python" -m venv --without-pip "$folder"
"$folder/bin/python" - "$folder" <<'PYTHON'
import json, pathlib, subprocess, sys, urllib.request

with urllib.request.urlopen("https://pypi.org/pypi/pip/json", timeout=60) as answer:
    files = json.load(answer)["urls"]
wheel = next(file for file in files if file["filename"].endswith(".whl"))
path = pathlib.Path(sys.argv[1], wheel["filename"])
with urllib.request.urlopen(wheel["url"], timeout=60) as answer:
    path.write_bytes(answer.read())
subprocess.run([sys.executable, f"{path}/pip", "install", "--quiet", "--no-index", str(path)], check=True)
path.unlink()
PYTHON
