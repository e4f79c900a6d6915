#!/usr/bin/env bash
# Everything that must hold before a change is shared: set-up, format, build with warnings as errors, all
# tests, and the unit tests again under AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   scripts/test.sh           all of it
#   scripts/test.sh --fast    without the sanitizers
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${ROBOIMI_JOBS:-$(nproc)}

sanitize=true
case "${1:-}" in
  "") ;;
  --fast) sanitize=false ;;
  *) echo "test.sh: unknown option '$1': expected --fast or nothing" >&2; exit 2 ;;
esac

scripts/setup.sh --tests

echo "test.sh: format"
git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run --Werror

echo "test.sh: build"
cmake --preset ci
cmake --build --preset ci -j "$jobs"

echo "test.sh: tests"
ctest --preset ci

if $sanitize; then
  echo "test.sh: unit tests under sanitizers"
  cmake --preset asan
  cmake --build --preset asan -j "$jobs" --target unit_tests
  ctest --preset asan -L unit
fi
