#!/usr/bin/env bash
# Checks to run before sharing a change: setup, format, build with warnings as errors, all tests, and a short
# fuzz run of the readers of untrusted files.
#
#   scripts/test.sh               these checks
#   scripts/test.sh --sanitize    also the unit and plugin tests under AddressSanitizer and
#                                 UndefinedBehaviorSanitizer (another hour on two cores)
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${ROBOIMI_JOBS:-$(nproc)}

sanitize=false
case "${1:-}" in
  "") ;;
  --sanitize) sanitize=true ;;
  *) echo "test.sh: unknown option '$1': expected --sanitize or nothing" >&2; exit 2 ;;
esac

scripts/setup.sh --tests

echo "test.sh: format"
git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run --Werror
git ls-files '*.py' | xargs .venv/bin/ruff check

echo "test.sh: build"
cmake --preset ci
cmake --build --preset ci -j "$jobs"

echo "test.sh: tests"
ctest --preset ci

echo "test.sh: fuzz"
scripts/fuzz.sh 15

if $sanitize; then
  echo "test.sh: tests under sanitizers"
  cmake --preset asan
  cmake --build --preset asan -j "$jobs" --target sanitized_tests
  ctest --preset asan -L 'unit|plugin'
fi
