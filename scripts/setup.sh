#!/usr/bin/env bash
# Installs roboimi's dependencies on Debian 12, Debian 13 or Ubuntu 22.04+: system packages, and a Python environment in
# .venv with libtorch and MuJoCo. Running it again does nothing.
#
#   scripts/setup.sh            dependencies to build and run
#   scripts/setup.sh --swanlab  also SwanLab, for track.swanlab=offline|cloud
#   scripts/setup.sh --mpi      also Open MPI, for training with several processes
#   scripts/setup.sh --tests    also the dependencies of scripts/test.sh, including the two above
#
# pip's settings are respected. To install torch from another index (for example a CPU-only build), set
# PIP_INDEX_URL or PIP_EXTRA_INDEX_URL.
set -euo pipefail
cd "$(dirname "$0")/.."

with_tests=false
with_swanlab=false
with_mpi=false
for option in "$@"; do
  case "$option" in
    --swanlab) with_swanlab=true ;;
    --mpi) with_mpi=true ;;
    --tests) with_tests=true; with_swanlab=true; with_mpi=true ;;
    *) echo "setup.sh: unknown option '$option': expected --swanlab, --mpi, --tests or nothing" >&2; exit 2 ;;
  esac
done

distribution=$(. /etc/os-release && echo "$ID")
packages=(
  g++ cmake ninja-build ccache git pkg-config ca-certificates python3 python3-venv
  libboost-dev libboost-filesystem-dev libboost-program-options-dev libboost-system-dev
  libyaml-cpp-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libssl-dev libzip-dev
  libblosc-dev libbrotli-dev libhdf5-dev libjpeg62-turbo-dev liblz4-dev libpng-dev libsnappy-dev libzstd-dev zlib1g-dev
  libavcodec-dev libavformat-dev libavutil-dev libswscale-dev
  libegl1 libegl-mesa0 libgl1-mesa-dri libosmesa6 libegl-dev libgl-dev
  libgtest-dev libgmock-dev
  openssh-client rsync
)
if $with_mpi; then packages+=(libopenmpi-dev openmpi-bin); fi
if $with_tests; then
  packages+=(clang-format clang openssh-server slurm-wlm munge)
  # The fuzzer's runtime, which Ubuntu 22.04 includes in clang's packages, and a browser for the report
  # test, which Ubuntu has only as a snap (the test is skipped there).
  if [ "$distribution" = debian ]; then packages+=(libclang-rt-dev chromium fonts-dejavu-core); fi
fi

is_installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

# The package of the JPEG headers has a different name on Ubuntu.
if [ "$distribution" = ubuntu ]; then
  packages=("${packages[@]/libjpeg62-turbo-dev/libjpeg-dev}")
fi

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "setup.sh: installing ${missing[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "setup.sh: root is needed to install: ${missing[*]}; run this script as root once" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# Prefer the distribution's interpreter: one from a version manager may be too new for the pinned wheels.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
if [ ! -x .venv/bin/python ]; then
  echo "setup.sh: creating .venv"
  "$python" -m venv .venv
fi

requirements=(scripts/requirements.txt)
if $with_tests; then requirements+=(scripts/requirements-test.txt); fi
if $with_swanlab; then requirements+=(scripts/requirements-swanlab.txt); fi
for file in "${requirements[@]}"; do
  stamp=".venv/installed-$(basename "$file")"
  if ! cmp -s "$file" "$stamp"; then
    echo "setup.sh: installing $file into .venv"
    .venv/bin/pip install -q --disable-pip-version-check -r "$file" -c scripts/requirements.txt
    cp "$file" "$stamp"
  fi
done
echo "setup.sh: ready"
