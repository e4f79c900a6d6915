#!/usr/bin/env bash
# Builds the fuzz targets with clang under AddressSanitizer and UndefinedBehaviorSanitizer and runs each.
#
#   scripts/fuzz.sh [SECONDS]    time for each target; default: 30
#
# Needs clang with its runtime libraries, which scripts/setup.sh --tests installs. Runs one target per CPU at
# the same time (ROBOIMI_JOBS changes the number). Starts from the committed corpus in tests/fuzz/corpus;
# findings are kept in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}
jobs=${ROBOIMI_JOBS:-$(nproc)}

for compiler in clang++ clang++-{20..14}; do
  if command -v "$compiler" > /dev/null; then break; fi
done
command -v "$compiler" > /dev/null || {
  echo "fuzz.sh: clang is missing: run scripts/setup.sh --tests" >&2
  exit 1
}

# Use a fresh cache: if the compiler differs from last time, CMake drops the other options.
cmake --fresh -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DROBOIMI_FUZZ=ON \
  -DCMAKE_C_COMPILER="${compiler/++/}" -DCMAKE_CXX_COMPILER="$compiler" ${ROBOIMI_CMAKE_ARGS:-}
mapfile -t targets < <(cmake --build build/fuzz --target help | grep -oE '^fuzz_[a-z_]+' | sort -u)
[ ${#targets[@]} -gt 0 ] || { echo "fuzz.sh: the build has no fuzz targets" >&2; exit 1; }
cmake --build build/fuzz -j "$jobs" --target "${targets[@]}"

mkdir -p build/fuzz/findings
# Runs one target. Prints one line, or the whole log if it failed.
fuzz() {
  local target=$1 grown=build/fuzz/corpus/$1 seeds=tests/fuzz/corpus/${1#fuzz_} log=build/fuzz/$1.log
  mkdir -p "$grown"
  if ! build/fuzz/bin/"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3000 \
    -verbosity=0 -print_final_stats=1 -artifact_prefix=build/fuzz/findings/"$target"- \
    "$grown" "$seeds" > "$log" 2>&1; then
    cat "$log" >&2
    echo "fuzz.sh: $target failed; the input is in build/fuzz/findings" >&2
    return 1
  fi
  echo "fuzz.sh: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
}
export -f fuzz
export seconds
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'fuzz {}'
