#!/usr/bin/env bash
# Runs the LEWM transfer suite on one GPU: demonstrations, both training runs of 50,000 steps, evaluations with 10 and
# 100 episodes.
#
#   scripts/gpu_mission.sh --package roboimi-gpu.tar.xz --output gpu_output/mission
#
# Measures the speed first and reports what fits into the time: both runs, in TF32 or else in bf16; only the run of
# width 256; or runs with fewer steps, whose names state the number. ROBOIMI_MISSION_WIDTHS=384 runs only that
# width. The decision is recorded in the suite's notes.md. Writes mission.md, records.tar.gz (manifest, status, notes,
# report, evaluations, metrics), the averaged weights in fp16 in parts, and logs.tar.gz: at most 8 files of 16 MiB and
# 64 MiB in total.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/gpu_common.sh
budget=${ROBOIMI_GPU_BUDGET:-560}
gpu_start "$@"

suite_name=2026-04-05-lewm-vit-transfer
steps=50000 shortest=2000 episodes=200 measured_steps=300
evaluation_seconds=35  # 10 and 100 episodes of the last run, including program start
start_seconds=9        # overhead of a training: data, graph capture, checkpoints
tail_seconds=12        # for the report and the weights
read -ra sizes <<< "${ROBOIMI_MISSION_WIDTHS:-384 256}"  # narrowest last
of_every_run=(train.cuda_graph=auto "data.path=$work/demonstrations" env.image_height=128 env.image_width=128
  train.rollout_num_episodes=0 train.save_every=25000 train.keep_top_k=1 train.log_every=100 "device=$device")
tf32=(train.matmul=tf32)
bf16=(train.matmul=tf32 train.precision=bf16)
evaluations=(10 100)
if $dry_run; then
  steps=${ROBOIMI_DRY_STEPS:-30} shortest=6 episodes=2 measured_steps=6 evaluation_seconds=15 start_seconds=3 tail_seconds=5 evaluations=(2 3)
  of_every_run+=(agent.head.n_layer=1 train.batch_size=4 train.log_every=3)
fi

decision=$work/decision.md
decide() { say "$*"; echo "- $*" >> "$decision"; }
suite=$work/$suite_name
write_results() {
  set +e
  if [ -e "$suite/manifest.json" ]; then
    { echo; cat "$decision"; } >> "$suite/notes.md"
    "$roboimi" suite status "$suite" --once > "$work/status.log" 2>&1
    "$roboimi" suite report "$suite" > "$work/report.log" 2>&1 || tail -n 2 "$work/report.log"
    pack_results
  fi
  report mission "$work" "$suite" "$output" "$decision"
  gpu_finish
}
trap write_results EXIT

# Packs the records (below 3 MiB), then each run's weights while the total stays below 63 MiB, smallest run first.
pack_results() {
  (cd "$work" && find "$suite_name" -type f ! -name '*.safetensors' ! -name '*.mp4' ! -name 'trajectory_*' ! -name '*.lock' ! -path '*/queue*' -size -4096k \
    | tar -czf "$output/records.tar.gz" -T -)
  if [ "$(stat -c %s "$output/records.tar.gz")" -gt $((3 * 1048576)) ]; then
    say "records are $(du -m "$output/records.tar.gz" | cut -f1) MiB: omitting the images and the report"
    (cd "$work" && find "$suite_name" -type f \( -name '*.json' -o -name '*.jsonl' -o -name '*.md' -o -name '*.yaml' -o -name '*.csv' -o -name '*.txt' \) \
      | tar -czf "$output/records.tar.gz" -T -)
  fi
  local run size
  for run in $(printf '%s\n' "${runs[@]}" | tac); do
    local folder
    folder=$(run_folder "$run")
    [ -e "$folder/checkpoints/latest/model.safetensors" ] || continue
    report half "$folder/checkpoints/latest" "$output/$run.fp16.safetensors"
    size=$(du -sm "$output" | cut -f1)
    if [ "$size" -gt 63 ] || [ "$(find "$output" -type f | wc -l)" -gt 6 ]; then
      rm -f "$output/$run".fp16.safetensors.part*
      echo "- the weights of $run are not included: the files would have $size MiB" >> "$decision"
    fi
  done
}
runs=()
run_folder() { find "$suite/work/mission/jobs/$1/runs" -maxdepth 1 -mindepth 1 -type d 2> /dev/null | sort | tail -n 1; }

collect demonstrations "$episodes" size=small collect.noise=0.002
tail -n 1 "$work/collect_demonstrations.log"

# Measures the steps per second of a width with the given overrides. The first call also encodes the frames.
declare -A speed=()
measure() { # WIDTH PRECISION OVERRIDE...
  local id=speed_$1_$2
  supported "${of_every_run[@]}" "${@:3}"
  stage "$id" 15 90 "$roboimi" run --config lewm_imf_attnres.yaml output_dir="$work/runs" name="$id" agent.head.n_layer=12 \
    "agent.head.n_emb=$1" "${words[@]}" train.max_steps="$measured_steps" train.log_every=$((measured_steps / 3)) || true
  speed[$1,$2]=$(report speed "$(run_of "$id")" --number || echo 0)
  rm -rf "$(run_of "$id")/checkpoints"
  decide "measured: n_emb $1 in $2: $(printf '%.1f' "${speed[$1,$2]}") steps/s"
}
for size in "${sizes[@]}"; do measure "$size" tf32 "${tf32[@]}"; done

# Whether runs of the given number of steps fit into the time, one after the other.
fits() { # STEPS PRECISION WIDTH...
  local available=$(($(left) - evaluation_seconds - tail_seconds - start_seconds * ($# - 2))) need=0 width
  for width in "${@:3}"; do
    need=$(awk -v n="$need" -v steps="$1" -v rate="${speed[$width,$2]:-0}" 'BEGIN {print (rate > 0) ? int(n + steps / rate + 1) : 99999999}')
  done
  say "$1 steps of width ${*:3} in $2 need $need s of training, $available s are available"
  [ "$need" -le "$available" ]
}
# Choose precision, widths and number of steps.
precision=tf32 chosen=("${sizes[@]}") planned=$steps
if ! fits "$steps" tf32 "${sizes[@]}"; then
  for size in "${sizes[@]}"; do measure "$size" bf16 "${bf16[@]}"; done
  if fits "$steps" bf16 "${sizes[@]}"; then
    precision=bf16
  else
    # Both runs do not fit: use the faster precision for fewer runs or steps.
    narrow=${sizes[-1]}
    awk -v a="${speed[$narrow,tf32]}" -v b="${speed[$narrow,bf16]}" 'BEGIN {exit !(b > a)}' && precision=bf16
    if [ ${#sizes[@]} -gt 1 ] && fits "$steps" "$precision" "$narrow"; then
      chosen=("$narrow")
    else
      available=$(($(left) - evaluation_seconds - tail_seconds - start_seconds * ${#sizes[@]}))
      seconds_a_step=$(for size in "${sizes[@]}"; do echo "${speed[$size,$precision]}"; done \
        | awk '{if ($1 > 0) n += 1 / $1; else bad = 1} END {print bad ? 0 : n}')
      planned=$(awk -v s="$available" -v each="$seconds_a_step" -v most="$steps" \
        'BEGIN {n = (each > 0 && s > 0) ? s / each : 0; if (n > most) n = most; print (n >= 1000) ? int(n / 1000) * 1000 : int(n)}')
      [ "$planned" -ge "$shortest" ] || { decide "not even $shortest steps of each run fit into the remaining $(left) s: nothing is trained"; fail "the GPU is too slow or there is too little time: see $output/mission.md"; }
    fi
  fi
fi
if [ "$planned" != "$steps" ]; then
  decide "SHORTER RUNS of width ${chosen[*]}: $planned steps instead of $steps each, in $precision, because $steps do not fit"
elif [ ${#chosen[@]} != ${#sizes[@]} ]; then
  decide "ONLY the run of width ${chosen[*]}, $steps steps in $precision, because both do not fit"
else
  decide "the runs of width ${chosen[*]}, $steps steps each, one after the other, in $precision"
fi

# Write the tree's suite, with the settings for this machine after its own overrides.
if [ $precision = bf16 ]; then of_every_run+=("${bf16[@]}"); else of_every_run+=("${tf32[@]}"); fi
of_every_run+=("train.max_steps=$planned")
if [ "$planned" -lt 500 ]; then of_every_run+=(train.warmup_steps=1); fi
supported "${of_every_run[@]}"
mkdir -p "$suite"
suffix=; if [ "$planned" != "$steps" ]; then suffix=_${planned}_steps; fi
{ printf '# %s of the tree, with the settings of scripts/gpu_mission.sh for one GPU and ten minutes.\n' "experiment_suites/$suite_name"
  grep -v '^#' "experiment_suites/$suite_name/suite.yaml" | while IFS= read -r line; do
    case "$line" in
      seeds:*) printf '  - %s\n' "${words[@]}"; echo "$line" ;;
      target:*) echo "target: mission" ;;
      targets:*) echo "$line"; echo "  mission: {kind: local, slots: 1, threads: 2}" ;;
      *'{name: n_emb_'*) echo "${line/,/$suffix,}" ;;
      *) echo "$line" ;;
    esac
  done; } > "$suite/suite.yaml"
decide "settings in addition to the suite's own: $(printf '%s ' "${words[@]//$work\//}")"
decide "$episodes demonstrations with 2 mm of waypoint noise, three 128x128 views; evaluated on seeds from 1000 on, on the CPU cores"
for size in "${chosen[@]}"; do runs+=("n_emb_$size${suffix}_seed0"); done
"$roboimi" suite launch "$suite" "${runs[@]}" > "$work/launch.log" 2>&1 || { cat "$work/launch.log"; fail "the suite could not be launched"; }
tail -n 4 "$work/launch.log"

evaluate() { # RUN
  local folder count videos=0
  folder=$(run_folder "$1")
  for count in "${evaluations[@]}"; do
    if [ "$count" = "${evaluations[-1]}" ]; then videos=2; fi  # the report shows two videos
    stage "evaluate_$1_$count" 8 120 "$roboimi" eval --checkpoint "$folder" --episodes "$count" --seed 1000 --video $videos --device cpu \
      --workers "$cores" || true
    grep -E '^(success|mean highest)' "$work/evaluate_$1_$count.log" || true
  done
}
state_of() { "$python" -c '
import json, sys
rows = {row["name"]: row for row in json.load(open(sys.argv[1]))["runs"]}
row = rows.get(sys.argv[2], {})
print(row.get("state", "queued"), row.get("step") or 0)' "$suite/status.json" "$1" 2> /dev/null || echo 'queued 0'; }

# Monitor the runs, evaluate each when it ends, and stop those that do not end in time.
declare -A evaluated=()
stopped=false
while [ "$(left)" -gt "$tail_seconds" ]; do
  "$roboimi" suite status "$suite" --once > "$work/status.log" 2>&1 || true
  open=0 line=
  for run in "${runs[@]}"; do
    read -r state step <<< "$(state_of "$run")"
    line+="$run $state $step; "
    case "$state" in
      finished | stopped | failed | lost)
        if [ -z "${evaluated[$run]:-}" ]; then
          evaluated[$run]=yes
          say "$line"
          [ "$state" = finished ] || decide "$run is $state at step $step of $planned"
          evaluate "$run"
        fi ;;
      *) open=$((open + 1)) ;;
    esac
  done
  [ "$open" -gt 0 ] || break
  if ! $stopped && [ "$(left)" -lt $((tail_seconds + evaluation_seconds)) ]; then
    decide "out of time at ${SECONDS} s: stopping the runs that are still training, with a checkpoint"
    "$roboimi" suite stop "$suite" > "$work/stop.log" 2>&1 || true
    stopped=true
  fi
  if (( SECONDS % 30 < 4 )); then say "$line"; fi
  sleep 2
done
"$roboimi" suite stop "$suite" > "$work/stop.log" 2>&1 || true
trap - EXIT
write_results
say "done: $output"
