# Shared functions of the GPU scripts, which must finish within a few minutes. Sourced from the repository's root:
#
#   . scripts/gpu_common.sh
#   gpu_start "$@"                       # options, time limit, program; fails if there is no GPU
#   stage check 20 60 "$roboimi" doctor  # needs 20 s, may take 60; skipped if less time is left
#   gpu_finish                           # packs the logs
#
# A script ends within its budget: a stage gets at most the remaining time, and in any case the script is
# killed 8 s after the budget. Results are in the output folder: a few files below 16 MiB each.
# shellcheck shell=bash
script=$(basename "$0" .sh)
budget=${ROBOIMI_GPU_BUDGET:-560}
reserve=12  # seconds reserved for writing the results at the end
output='' work='' package='' program='' dry_run=false

say() { echo "### ${SECONDS}s $*"; }
fail() { echo "$script.sh: $1" >&2; exit "${2:-1}"; }
left() { echo $((budget - reserve - SECONDS)); }

gpu_usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | grep -v '^set '
  cat <<'END'

  --package FILE   unpack and use a package made by scripts/gpu_package.sh
  --program FILE   roboimi program to use; default: build/cuda/bin/roboimi
  --output DIR     folder for results; default: gpu_output/NAME
  --work DIR       folder for runs, data and logs, emptied first; default: /tmp/roboimi_NAME
  --budget S       time limit in seconds; default: ROBOIMI_GPU_BUDGET, or the script's default
  --dry-run        run every step at tiny sizes on the CPU, to test the script without a GPU
END
}

# Parses the options, restarts the script under a time limit, and prepares folders and program.
gpu_start() {
  local given=("$@")
  while [ $# -gt 0 ]; do
    case "$1" in
      --package | --program | --output | --work | --budget)
        [ $# -ge 2 ] || fail "expected a value after $1" 2
        declare -g "${1#--}=$2"
        shift 2 ;;
      --dry-run) dry_run=true; shift ;;
      --help | -h) gpu_usage; exit 0 ;;
      *) fail "unknown option '$1': see $script.sh --help" 2 ;;
    esac
  done
  [[ $budget =~ ^[0-9]+$ ]] && [ "$budget" -gt "$reserve" ] \
    || fail "--budget: expected a number of seconds above $reserve, found '$budget'" 2
  if [ -z "${ROBOIMI_GPU_LIMITED:-}" ]; then
    ROBOIMI_GPU_LIMITED=1 exec timeout --kill-after=5 $((budget + 8)) bash "$0" "${given[@]}"
  fi
  output=$(realpath -m "${output:-gpu_output/$script}")
  work=$(realpath -m "${work:-${TMPDIR:-/tmp}/roboimi_$script}")
  python=${ROBOIMI_TORCH_PYTHON:-python3}
  if $dry_run && [ -z "${ROBOIMI_TORCH_PYTHON:-}" ] && [ -x .venv/bin/python ]; then python=$PWD/.venv/bin/python; fi
  export ROBOIMI_TORCH_PYTHON=$python ROBOIMI_TREE=$PWD
  # Waiting OpenMP threads must not spin while other processes work.
  export OMP_WAIT_POLICY=passive
  # shellcheck disable=SC2034
  if $dry_run; then device=cpu cores=2; else device=cuda cores=$(nproc); fi
  if ! $dry_run && ! [ -e /dev/nvidiactl ] && ! nvidia-smi -L > /dev/null 2>&1; then
    fail "no GPU: expected an NVIDIA driver (nvidia-smi, /dev/nvidiactl), found none; run it on a machine with a GPU, or use --dry-run to test the steps on the CPU" 3
  fi
  rm -rf "$work"
  mkdir -p "$work" "$output"
  gpu_program
  "$roboimi" doctor > "$work/doctor.log" 2>&1 || true
  if ! $dry_run; then
    grep -q '^ok *CUDA *[0-9]* device' "$work/doctor.log" \
      || fail "no GPU: expected a CUDA device that roboimi's libtorch sees, found: $(grep ' CUDA ' "$work/doctor.log" || tail -n 1 "$work/doctor.log"); build against this machine's CUDA torch (docs/gpu.md)" 3
  fi
}

# Finds or unpacks the program. Sets `roboimi` to its path, and `package_folder`, which is empty for a build.
gpu_program() {
  package_folder=
  if [ -n "$package" ]; then
    [ -e "$package" ] || fail "--package: expected a file made by scripts/gpu_package.sh, found no $package"
    "$python" -W ignore -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$package" "$work" \
      || fail "--package: $package cannot be unpacked"
    package_folder=$work/roboimi-gpu
    roboimi=$package_folder/roboimi-gpu
    gpu_place_of_build
  else
    roboimi=$(realpath -m "${program:-build/cuda/bin/roboimi}")
    [ -x "$roboimi" ] || fail "expected a build in $roboimi, found none: build it (docs/gpu.md), or give --package or --program"
  fi
}

# Tests search the source and build tree at the paths where they were compiled, so link these paths.
gpu_place_of_build() {
  local path
  while read -r path; do
    if [ -e "$path" ] || ! mkdir -p "$(dirname "$path")" 2> /dev/null; then continue; fi
    case "$path" in
      */build/*) ln -s "$package_folder" "$path" ;;
      *) ln -s "$PWD" "$path" ;;
    esac
  done < "$package_folder/built_from"
}

# Sets `command` to the command that runs a program of the package or of the build's bin folder.
# shellcheck disable=SC2034
program_command() { # PROGRAM
  if [ -n "$package_folder" ]; then
    # shellcheck disable=SC2016
    command=(bash -c '. "$0/env.sh" && exec "$0/bin/$1" "${@:2}"' "$package_folder" "$1")
  else
    command=("$(dirname "$roboimi")/$1")
  fi
}
has_program() { [ -x "${package_folder:-$(dirname "$(dirname "$roboimi")")}/bin/$1" ]; }

# Runs a command with a log file and a time limit. Status 10: skipped because too little time is left.
stage() { # NAME NEEDED_SECONDS MOST_SECONDS COMMAND...
  local name=$1 needed=$2 most=$3 status=0 start=$SECONDS rest
  shift 3
  rest=$(left)
  if [ "$rest" -lt "$needed" ]; then
    say "skipped $name: needs $needed s, $rest s left"
    printf '%s\tskipped\t0\n' "$name" >> "$work/stages.tsv"
    return 10
  fi
  timeout --signal=INT --kill-after=4 $((rest < most ? rest : most)) "$@" > "$work/$name.log" 2>&1 < /dev/null || status=$?
  printf '%s\t%s\t%s\n' "$name" "$status" $((SECONDS - start)) >> "$work/stages.tsv"
  if [ "$status" = 0 ]; then
    say "$name: done in $((SECONDS - start)) s"
  else
    say "$name: ended with status $status after $((SECONDS - start)) s$([ "$status" -ge 124 ] && echo ' (its time limit)'):"
    tail -n 5 "$work/$name.log" | cut -c1-300
  fi
  return "$status"
}

# Sets `words` to the given overrides, without keys that this build does not have. Reports each such key once.
declare -A gpu_known_keys=()
supported() { # OVERRIDE...
  local word key
  words=()
  for word in "$@"; do
    key=${word%%=*}
    case "$key" in
      train.cuda_graph | train.matmul)
        if [ -z "${gpu_known_keys[$key]:-}" ]; then
          gpu_known_keys[$key]=yes
          if ! "$roboimi" config show lewm_imf_attnres.yaml "$word" > /dev/null 2> "$work/config.err"; then
            gpu_known_keys[$key]=no
            say "omitting $key in all runs: $(head -n 1 "$work/config.err" | cut -c1-200)"
          fi
        fi
        if [ "${gpu_known_keys[$key]}" = yes ]; then words+=("$word"); fi ;;
      *) words+=("$word") ;;
    esac
  done
}

run_of() { find "$work/runs" -maxdepth 1 -name "*_$1" 2> /dev/null | sort | tail -n 1; }
report() { "$python" scripts/gpu_report.py "$@"; }

collect() { # NAME EPISODES OVERRIDE...
  stage "collect_$1" 3 120 "$roboimi" collect --config collect_sim_transfer.yaml collect.num_episodes="$2" \
    collect.workers=$((cores > 2 ? cores - 2 : 2)) collect.output="$work/$1" "${@:3}"
}

gpu_finish() { # writes a description of the machine, and packs all logs into one file
  if [ -d "$work" ]; then
    { nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2> /dev/null || echo 'no GPU'
      nproc
      "$python" -c 'import torch; print("torch", torch.__version__)' 2> /dev/null || true
      cat "$work/doctor.log" 2> /dev/null || true; } > "$work/machine.log" || true
    (cd "$work" && find . -maxdepth 1 \( -name '*.log' -o -name '*.tsv' -o -name '*.json' \) -printf '%P\n' \
      | tar -czf "$output/logs.tar.gz" -T -) || true
  fi
}
