#!/usr/bin/env bash
# Runs missing rows of docs/results/ablations.md that take only minutes on a GPU, most important first.
#
#   scripts/gpu_rows.sh --package roboimi-gpu.tar.xz --output gpu_output/rows [--from rows.tar.gz]
#
# Uses scripts/results.py, which repeats no finished work and continues interrupted training runs. To continue where the
# last call stopped, pass its rows.tar.gz with --from. Writes rows.md (the table), rows.tar.gz (evaluations, metrics and
# the checkpoints needed to continue) and logs.tar.gz.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/gpu_common.sh
budget=${ROBOIMI_GPU_BUDGET:-560}
from=
words=()
while [ $# -gt 0 ]; do
  if [ "$1" = --from ]; then
    from=${2:?expected a file after --from}
    shift 2
  else
    words+=("$1")
    shift
  fi
done
ROBOIMI_GPU_FROM=${from:-${ROBOIMI_GPU_FROM:-}}
export ROBOIMI_GPU_FROM
gpu_start "${words[@]}"

export ROBOIMI=$roboimi
pack() {
  set +e
  "$python" scripts/results.py --table > "$output/rows.md" 2> "$work/table.log"
  # Pack evaluations and metrics of every row, and the newest checkpoint of rows without an evaluation.
  if [ -d results_output ]; then
    { find results_output/evaluations -type f ! -name 'trajectory_*' ! -name '*.mp4'
      find results_output/runs -maxdepth 2 -type f
      for run in results_output/runs/*; do
        name=${run##*/}
        if [ -e "$run/checkpoints/latest" ] && [ ! -e "results_output/evaluations/${name#*_*_}/summary.json" ]; then
          echo "$run/checkpoints/latest"
          find "$(realpath --relative-to=. "$run/checkpoints/latest")" -type f
        fi
      done; } 2> /dev/null | tar -czf "$output/rows.tar.gz" -T -
    find "$output" -size +16384k -name rows.tar.gz -exec sh -c 'echo "rows.tar.gz is over 16 MiB: split it"; split -b 15m -d "$1" "$1.part" && rm "$1"' _ {} \;
  fi
  gpu_finish
}
trap pack EXIT
if [ -n "$ROBOIMI_GPU_FROM" ]; then
  "$python" -W ignore -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(".")' "$ROBOIMI_GPU_FROM" \
    || fail "--from: expected a rows.tar.gz of an earlier run, found $ROBOIMI_GPU_FROM"
fi

# SECONDS | ROWS | SEEDS
while IFS='|' read -r needed rows seeds; do
  read -ra names <<< "$rows"
  read -ra seeds <<< "$seeds"
  if $dry_run; then
    stage "rows_${names[0]}" 1 20 "$python" scripts/results.py --table "${names[@]}" --seeds "${seeds[@]}" || true
  else
    stage "rows_${names[0]}_${seeds[0]}" "$needed" 400 "$python" scripts/results.py "${names[@]}" --seeds "${seeds[@]}" --jobs 4 --threads 4 || true
    tail -n 2 "$work/rows_${names[0]}_${seeds[0]}.log" 2> /dev/null || true
  fi
done << END
90|lewm_flow|2
90|lewm_diffusion|1 2
90|resnet_random_imf|1 2
90|lewm_random_imf|1 2
90|state_plain state_mse state_adaptive|1 2
90|lewm_imf_200|1 2
END
say "done: $output"
