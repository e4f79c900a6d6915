#!/usr/bin/env bash
# Pretrains LEWM at 224x224 on new demonstrations, with a complete learning rate schedule that fits the time.
#
#   scripts/gpu_lewm.sh --package roboimi-gpu.tar.xz --output gpu_output/lewm
#
# Measures the speed, fits the schedule to the remaining time, and compares the result with the shipped encoder: linear
# probes on held-out demonstrations, and the error of the box position by kernel regression. Writes
# lewm224.safetensors (fp16, 13 MB), lewm.md, config.yaml, metrics.jsonl and logs.tar.gz. Before the encoder is shipped,
# train a policy on it:
#   roboimi run --config lewm_imf_attnres.yaml agent.backbone.checkpoint=lewm224.safetensors agent.backbone.image_height=224 ...
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/gpu_common.sh
budget=${ROBOIMI_GPU_BUDGET:-560}
gpu_start "$@"

episodes=200 probed=60 held_out=20 located=50 tested=50 measured_steps=40 after_seconds=70
learning_rate=3e-4 warmup=150
size=()
if $dry_run; then
  episodes=2 probed=3 held_out=1 located=2 tested=2 measured_steps=4 after_seconds=60 warmup=1
  size=(agent.num_layers=1 agent.predictor_depth=1 train.batch_size=2)
fi
notes=$work/lewm.md
# 42.5 GB for demonstrations with 256x256 views, and the caches of the probes.
needed_gb=46
if $dry_run; then needed_gb=2; fi
free_gb=$(($(df --output=avail -B1 "$work" | tail -n 1) / 1000000000))
[ "$free_gb" -ge "$needed_gb" ] \
  || fail "not enough disk space in $work: expected $needed_gb GB free, found $free_gb GB; empty the work folders of other scripts, or set --work to a larger disk"
note() { say "$*"; echo "$*" >> "$notes"; }
write_results() {
  set +e
  local run
  run=$(run_of lewm224)
  cp "$notes" "$output/lewm.md"
  if [ -n "$run" ]; then cp "$run/metrics.jsonl" "$run/config.yaml" "$output/"; fi
  gpu_finish
}
trap write_results EXIT
note "# LEWM at 224x224 ($(nvidia-smi --query-gpu=name --format=csv,noheader 2> /dev/null || echo 'no GPU'))"
note ""

# Seeds of the demonstrations: training from 0, probes from 300, tests from 1000.
views256="env.image_height=256 env.image_width=256"
read -ra views256 <<< "$views256"
collect demonstrations "$episodes" collect.noise=0.004 "${views256[@]}"
collect probe "$probed" collect.noise=0.004 collect.first_seed=300 "${views256[@]}"
collect located "$located" collect.noise=0.002 "${views256[@]}"
collect tested "$tested" collect.first_seed=1000 "${views256[@]}"

# Evaluates an encoder's embeddings. Arguments: NAME, overrides of the policy's configuration.
evaluate_encoder() {
  stage "probe_$1" 10 90 "$roboimi" eval --probe --config lewm_imf_attnres.yaml data.path="$work/probe" --held-out "$held_out" \
    --device "$device" --output "$work/probe_$1" "${@:2}" && note "Linear probes, $1:" && { cat "$work/probe_$1.log"; grep '|\|R' "$work/probe_$1.log" >> "$notes"; } || true
  stage "locate_$1" 10 120 "$python" scripts/gpu_localize.py --roboimi "$roboimi" --data "$work/located" --tested "$work/tested" \
    --work "$work" --name "$1" --device "$device" "${@:2}" && note "Box, $1: $(tail -n 1 "$work/locate_$1.log")" || true
}
evaluate_encoder shipped

train=(--config lewm_pretrain.yaml data.path="$work/demonstrations" device="$device" output_dir="$work/runs"
  train.held_out_episodes=0 train.validate_every=1000000 cache.block_size=256 train.learning_rate="$learning_rate" "${size[@]}")
supported train.cuda_graph=auto train.matmul=tf32
train+=("${words[@]}")
stage speed 40 150 "$roboimi" run "${train[@]}" train.max_steps=$measured_steps train.log_every=$((measured_steps / 4)) \
  train.save_every=1000000 name=speed || fail "pretraining does not run: see logs.tar.gz"
speed=$(report speed "$(run_of speed)" --number)
steps=$(awk -v s=$(($(left) - after_seconds - 12)) -v r="$speed" 'BEGIN {print (s > 0) ? int(0.96 * s * r) : 0}')
if $dry_run; then steps=8; fi
note "$episodes demonstrations with 4 mm of waypoint noise, batch 128 x 4, learning rate $learning_rate: $speed steps/s, so the schedule has $steps steps."
[ "$steps" -ge $((2 * warmup)) ] || fail "expected time for at least $((2 * warmup)) steps, found time for $steps: use a larger --budget"
stage lewm224 20 $(($(left) - after_seconds)) "$roboimi" run "${train[@]}" train.max_steps="$steps" train.warmup_steps=$warmup \
  train.log_every=50 train.save_every=1000 train.keep_top_k=1 name=lewm224 || note "The training did not finish in time; its last checkpoint is used."
run=$(run_of lewm224)
note "Last: $(tail -n 1 "$run/metrics.jsonl" | cut -c1-400)"
stage convert 3 30 "$roboimi" checkpoint convert "$run/checkpoints/latest/model.safetensors" "$output/lewm224.safetensors.part" \
  --layout lewm --dtype fp16 || fail "no checkpoint to convert"
mv "$output/lewm224.safetensors.part" "$output/lewm224.safetensors"
evaluate_encoder lewm224 "agent.backbone.checkpoint=$output/lewm224.safetensors" agent.backbone.image_height=224 agent.backbone.image_width=224 \
  agent.backbone.shorter_side=224
say "done: $output"
