#!/usr/bin/env bash
# Checks to run before sharing a change: setup, format, build with warnings as errors, all tests, and a short
# fuzz run of the readers of untrusted files.
#
#   scripts/test.sh               these checks
#   scripts/test.sh --sanitize    also the unit and plugin tests under AddressSanitizer and
#                                 UndefinedBehaviorSanitizer (another hour on two cores)
#   scripts/test.sh --references  also the tests that compare with packages in a separate environment,
#                                 .venv-references (scripts/requirements-references.txt)
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${ROBOIMI_JOBS:-$(nproc)}

sanitize=false
references=false
for option in "$@"; do
  case "$option" in
    --sanitize) sanitize=true ;;
    --references) references=true ;;
    *) echo "test.sh: unknown option '$option': expected --sanitize, --references or nothing" >&2; exit 2 ;;
  esac
done

# Creates .venv-references, or updates it if its requirements have changed.
set_up_references() {
  local requirements=scripts/requirements-references.txt stamp=.venv-references/installed.txt python=/usr/bin/python3
  cmp -s "$requirements" "$stamp" && return
  [ -x "$python" ] || python=python3
  "$python" -m venv --clear .venv-references
  .venv-references/bin/pip install -q --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$stamp"
}

scripts/setup.sh --tests
if $references; then set_up_references; fi

echo "test.sh: format"
git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run --Werror
git ls-files '*.py' | xargs .venv/bin/ruff check

echo "test.sh: build"
cmake --preset ci
cmake --build --preset ci -j "$jobs"

echo "test.sh: tests"
ctest --preset ci -LE references

if $references; then
  echo "test.sh: tests against references"
  ctest --preset ci -L references
fi

echo "test.sh: fuzz"
scripts/fuzz.sh 15

if $sanitize; then
  echo "test.sh: tests under sanitizers"
  cmake --preset asan
  cmake --build --preset asan -j "$jobs" --target sanitized_tests
  ctest --preset asan -L 'unit|plugin'
fi
