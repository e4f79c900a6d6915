#!/usr/bin/env bash
# Builds the fuzz targets with clang under AddressSanitizer and UndefinedBehaviorSanitizer and runs each.
#
#   scripts/fuzz.sh [SECONDS]    30 a target unless told otherwise
#
# Needs clang and libclang-rt (clang-14 and libclang-rt-14-dev on Debian 12). Starts from the committed
# corpus in tests/fuzz/corpus; findings stay in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}

for compiler in clang++ clang++-{20..14}; do
  if command -v "$compiler" > /dev/null; then break; fi
done
command -v "$compiler" > /dev/null || {
  echo "fuzz.sh: clang is missing: apt-get install clang-14 libclang-rt-14-dev" >&2
  exit 1
}

cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DROBOIMI_FUZZ=ON \
  -DCMAKE_C_COMPILER="${compiler/++/}" -DCMAKE_CXX_COMPILER="$compiler" ${ROBOIMI_CMAKE_ARGS:-}
mapfile -t targets < <(cmake --build build/fuzz --target help | grep -oE '^fuzz_[a-z_]+' | sort -u)
cmake --build build/fuzz -j "${ROBOIMI_JOBS:-$(nproc)}" --target "${targets[@]}"

mkdir -p build/fuzz/findings
for target in "${targets[@]}"; do
  grown=build/fuzz/corpus/$target
  seeds=tests/fuzz/corpus/${target#fuzz_}
  mkdir -p "$grown"
  echo "fuzz.sh: $target for $seconds s"
  build/fuzz/bin/"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3000 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix=build/fuzz/findings/"$target"- "$grown" \
    $([ -d "$seeds" ] && echo "$seeds")
done
echo "fuzz.sh: nothing found"
