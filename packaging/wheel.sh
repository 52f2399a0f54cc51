#!/usr/bin/env bash
# Builds a wheel that contains the program: `pip install target/wheels/verismo-*.whl` installs `verismo`.
#
#   packaging/wheel.sh [OPTION OF `maturin build`]...
#
# The program can use GPUs. What `cargo build --release --features wgpu` has built already is reused. The target directory is `target`, or
# CARGO_TARGET_DIR. maturin is taken from the PATH; if there is none, pip installs it for this call.
#
# On Linux maturin looks up which libraries and symbols the program needs, and names the wheel after the
# oldest manylinux that has them; how old depends on the glibc it was built with. If that check fails:
#
#   packaging/wheel.sh --auditwheel skip --compatibility linux
#
# Such a wheel works on machines like this one; PyPI does not accept it.
set -euo pipefail
packaging=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$packaging")
# A relative path is one from where the script was called.
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target"
CARGO_TARGET_DIR=$(cd "$target" && pwd)
export CARGO_TARGET_DIR

temporary=$(mktemp -d)
licences=("$packaging/LICENSE" "$packaging/LICENSE-APACHE" "$packaging/LICENSE-MIT")
trap 'rm -rf "$temporary" "${licences[@]}"' EXIT

maturin=maturin
if ! command -v maturin >/dev/null; then
  python3 -m venv "$temporary"
  "$temporary/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.9,<2'
  maturin=$temporary/bin/maturin
fi

# maturin reads pyproject.toml from the folder that it runs in, and licences only from beside it.
cp "$root"/LICENSE{,-APACHE,-MIT} "$packaging"
cd "$packaging"
"$maturin" build --release --locked --features wgpu --out "$CARGO_TARGET_DIR/wheels" "$@"
