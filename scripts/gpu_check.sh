#!/usr/bin/env bash
# Checks and benchmarks a GPU, most important first: CUDA tests, graph against eager, speeds against PyTorch.
#
#   scripts/gpu_check.sh --package roboimi-gpu.tar.xz --output gpu_output/check
#
# Ends within 300 s by default (--budget). Writes gpu_check.md (the rows of docs/gpu.md), gpu_check.json and
# logs.tar.gz. Fails if there is no GPU, or if a test or the comparison fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/gpu_common.sh
budget=${ROBOIMI_GPU_BUDGET:-300}
gpu_start "$@"

# Overrides for the ways of running a step, and for the model sizes.
without_kernels="ROBOIMI_GPU_KERNELS=off"
eager="train.cuda_graph=off"
graph="train.cuda_graph=auto"
tf32="train.matmul=tf32"
bf16="train.matmul=tf32 train.precision=bf16"
small="agent.head.n_emb=128 agent.head.n_layer=4 agent.head.n_head=4"
reactvla="agent.head.n_emb=768 agent.head.n_layer=16 agent.head.n_head=12 agent.head.dropout=0.05"
long="train.max_steps=400 train.log_every=100"
short="train.max_steps=40 train.log_every=10"
episodes=40 encode_episodes=14 evaluated=100 rollout_bench_size=(16 3 128 "$cores")
lewm="agent.head.n_emb=384"
pretrain_size=""
if $dry_run; then
  lewm="agent.head.n_emb=32 agent.head.n_layer=1 agent.head.n_head=2 train.batch_size=4"
  small=$lewm reactvla="$lewm agent.head.dropout=0.05" long="train.max_steps=6 train.log_every=2" short="train.max_steps=4 train.log_every=2"
  episodes=2 encode_episodes=2 evaluated=2 rollout_bench_size=(2 1 32 2)
  pretrain_size="agent.image_height=28 agent.image_width=28 agent.num_layers=1 agent.predictor_depth=1 train.batch_size=2"
fi

# Runs a training whose speed becomes a row of the table. Its argument: ID | TITLE | SECONDS | ENVIRONMENT | CONFIG | DATA | OVERRIDES
train() {
  local id title needed environment config data overrides words=()
  IFS='|' read -r id title needed environment config data overrides <<< "$1"
  read -ra environment <<< "$environment"
  read -ra words <<< "$overrides"
  supported "${words[@]}"
  local status=0
  stage "$id" "$needed" 90 env "${environment[@]}" "$roboimi" run --config "$config" data.path="$work/$data" device="$device" \
    train.rollout_num_episodes=0 train.save_every=1000000 train.keep_top_k=1 output_dir="$work/runs" name="$id" \
    "${words[@]}" || status=$?
  local run
  run=$(run_of "$id")
  if [ "$status" != 10 ]; then printf '%s\t%s\t%s\t%s\n' "$id" "$title" "$status" "$run" >> "$work/rows.tsv"; fi
  if [ "$status" = 0 ]; then
    say "$title: $(report speed "$run")"
    # Show warnings, such as a component that cannot be captured or kernels that are not used.
    grep -E ' (warn|warning|error) ' "$work/$id.log" | head -n 3 | cut -c1-250 || true
  fi
  # Delete the checkpoints of 340 MB, except those of the run that is evaluated.
  if [ -n "$run" ] && [ "$id" != "$evaluated_row" ]; then rm -rf "$run/checkpoints"; fi
  return 0
}
evaluated_row=imf384_graph_tf32
views="env.image_height=128 env.image_width=128"
imf() { train "$1|$2|$3|$4|lewm_imf_attnres.yaml|demonstrations|$5 $views"; }

failed=0
write_results() {
  report check "$work" "$output" || true
  gpu_finish
}
trap write_results EXIT

cat "$work/doctor.log"
collect demonstrations "$episodes" size=small
if has_program cuda_test; then
  program_command cuda_test
  stage cuda_test 5 90 "${command[@]}" || failed=1
  grep -E '^\[  (PASSED|FAILED|SKIPPED)' "$work/cuda_test.log" || true
else
  say "this build has no cuda_test: skipping its tests"
fi

# The first row also encodes the frames. Its speed decides the model size of the 300 eager steps.
imf imf384_eager "IMF 384x12, eager, fp32" 25 "" "$lewm $eager $short"
pair_size=$lewm
eager_speed=$(report speed "$(run_of imf384_eager)" --number || echo 0)
awk -v s="${eager_speed:-0}" 'BEGIN {exit !(s > 0 && 300 / s > 45)}' && pair_size=$small
pair="train.max_steps=300 train.log_every=10"
if $dry_run; then pair="train.max_steps=6 train.log_every=2"; fi
imf pair_graph "300 steps as one graph" 15 "" "$pair_size $graph $pair"
imf pair_eager "the same 300 steps, eager" 20 "" "$pair_size $eager $pair"
report compare "$(run_of pair_graph)" "$(run_of pair_eager)" | tee "$work/compare.log" || failed=1

imf imf384_graph_tf32 "IMF 384x12, one graph, TF32" 10 "" "$lewm $graph $tf32 $long"
imf imf384_graph_bf16 "IMF 384x12, one graph, bf16" 10 "" "$lewm $graph $bf16 $long"
imf imf384_graph "IMF 384x12, one graph, fp32" 10 "" "$lewm $graph $long"
imf imf384_plain_graph_tf32 "IMF 384x12, one graph, TF32, without the fused kernels" 15 "$without_kernels" "$lewm $graph $tf32 $long"

reference=(--device "$device")
if $dry_run; then reference+=(--width 32 --layers 1 --heads 2 --batch 4 --eager-repeats 1); fi
stage reference384 15 60 "$python" bench/reference/imf_gpu.py "${reference[@]}" || true
cat "$work/reference384.log" 2> /dev/null || true

imf imf256_graph_tf32 "IMF 256x12, one graph, TF32" 10 "" "$lewm agent.head.n_emb=256 $graph $tf32 $long"

# Count calls that wait for the GPU: the difference between two training runs of 40 and 80 steps without logging.
count_calls() { # ID STEPS OVERRIDES
  local preload=${package_folder:+$package_folder/lib/libcount_cuda_calls.so}
  imf "$1" "(calls counted over $2 steps)" 8 "LD_PRELOAD=$preload ROBOIMI_CUDA_CALLS=$work/$1.calls" \
    "$3 train.max_steps=$2 train.log_every=1000"
}
if [ -n "$package_folder" ]; then
  count_calls calls_graph_40 40 "$lewm $graph $tf32"
  count_calls calls_graph_80 80 "$lewm $graph $tf32"
  report calls "$work" calls_graph_40 calls_graph_80 40 | tee "$work/calls_graph.json" || true
fi

# 100 episodes: in one process whose plans are batched on the GPU, in processes on the CPU cores, and in
# processes that share the GPU. Before them, physics and rendering alone.
evaluate() { # ID NEEDED_SECONDS OPTION...
  stage "$1" "$2" 90 "$roboimi" eval --checkpoint "$evaluated_run" --episodes $evaluated --seed 1000 --video 0 \
    --output "$work/$1" "${@:3}" && tail -n 9 "$work/$1.log"
}
evaluate_all() {
  if has_program rollout_bench; then
    program_command rollout_bench
    stage rollout_bench 8 40 "${command[@]}" "${rollout_bench_size[@]}" && cat "$work/rollout_bench.log"
  fi
  if $dry_run; then
    evaluate evaluate_together 15 --device cpu --together 2 --workers "$cores"
    evaluate evaluate_cpu 15 --device cpu --workers "$cores"
  else
    evaluate evaluate_together 15 --device "$device" --together 32 --workers "$cores"
    evaluate evaluate_cpu 15 --device cpu --workers "$cores"
    evaluate evaluate_gpu 20 --device "$device" --together 1 --workers 8
  fi
}
evaluated_run=$(run_of $evaluated_row)
if [ -n "$evaluated_run" ]; then evaluate_all || true; fi

# Pretraining and encoding at full size, beside the same in PyTorch. Rows named "plain" do not use the faster forms
# for GPUs: neither a graph for encoding, nor resizing by products, nor the encoder's form for mixed precision.
pretraining_and_encoding() {
  local pretrain="train.held_out_episodes=0 train.validate_every=1000000 $pretrain_size $short"
  local reference=(--device "$device")
  if $dry_run; then
    reference+=(--batch 2 --side 28 --view 32 --layers 1 --predictor-depth 1 --repeats 1 --encoded-side 28 --encoded-view 16)
  fi
  collect views256 "$encode_episodes" || true
  train "pretrain_graph|LEWM pretraining 224x224, batch 128 x 4, bf16, one graph|20||lewm_pretrain.yaml|views256|$pretrain $graph $tf32"
  stage referencelewm 20 60 "$python" bench/reference/lewm_gpu.py "${reference[@]}" || true
  cat "$work/referencelewm.log" 2> /dev/null || true
  encode encode_bf16 "" "cache.block_size=256 agent.backbone.precision=bf16" || true
  encode encode_fp32 "" "cache.block_size=256" || true
  encode encode_bf16_plain "$without_kernels" "cache.block_size=256 agent.backbone.precision=bf16" || true
  train "pretrain_plain_graph|LEWM pretraining 224x224, batch 128 x 4, bf16, one graph, plain|20|$without_kernels|lewm_pretrain.yaml|views256|$pretrain $graph $tf32"
  train "pretrain_eager|LEWM pretraining 224x224, batch 128 x 4, bf16, eager|15||lewm_pretrain.yaml|views256|$pretrain $eager $tf32"
}
encode() { # ID ENVIRONMENT OVERRIDES
  local environment words
  read -ra environment <<< "$2"
  read -ra words <<< "$3"
  stage "$1" 8 60 env "${environment[@]}" "$roboimi" encode --config lewm_imf_attnres.yaml --data "$work/demonstrations" \
    --out "$work/$1.safetensors" device="$device" cache.folder="$work/cache_$1" "${words[@]}" && tail -n 2 "$work/$1.log"
  rm -rf "$work/$1.safetensors" "$work/cache_$1"
}
pretraining_and_encoding

imf imf384_eager_tf32 "IMF 384x12, eager, TF32" 10 "" "$lewm $eager $tf32 $short"
resnet="agent.head.n_emb=384 $short"
if $dry_run; then resnet="agent.head.n_emb=32 agent.head.n_layer=1 agent.head.n_head=2 train.batch_size=2 train.max_steps=2 train.log_every=1"; fi
train "resnet_graph|trainable ResNet-18 x 3 + IMF 384x12, one graph, TF32|15||resnet_imf_attnres.yaml|demonstrations|$resnet $graph $tf32"

# The rest of the table, as far as time allows.
while IFS='|' read -r id title needed environment overrides; do
  imf "$id" "$title" "$needed" "$environment" "$overrides"
done << END
imf256_graph_bf16|IMF 256x12, one graph, bf16|8||$lewm agent.head.n_emb=256 $graph $bf16 $long
imf128_graph_tf32|IMF 128x4, one graph, TF32|8||$small $graph $tf32 $long
imf768_graph_bf16|IMF 768x16, dropout 0.05, one graph, bf16|15||$reactvla $graph $bf16 $long
imf384_plain_eager|IMF 384x12, eager, fp32, without the fused kernels|20|$without_kernels|$lewm $eager $short
imf384_plain_graph|IMF 384x12, one graph, fp32, without the fused kernels|15|$without_kernels|$lewm $graph $long
imf384_plain_graph_bf16|IMF 384x12, one graph, bf16, without the fused kernels|15|$without_kernels|$lewm $graph $bf16 $long
imf256_graph|IMF 256x12, one graph, fp32|8||$lewm agent.head.n_emb=256 $graph $long
imf256_eager|IMF 256x12, eager, fp32|10||$lewm agent.head.n_emb=256 $eager $short
imf256_plain_graph_tf32|IMF 256x12, one graph, TF32, without the fused kernels|15|$without_kernels|$lewm agent.head.n_emb=256 $graph $tf32 $long
imf128_graph_bf16|IMF 128x4, one graph, bf16|8||$small $graph $bf16 $long
imf128_graph|IMF 128x4, one graph, fp32|8||$small $graph $long
imf128_eager|IMF 128x4, eager, fp32|8||$small $eager $short
imf128_plain_eager|IMF 128x4, eager, fp32, without the fused kernels|10|$without_kernels|$small $eager $short
END
if $dry_run; then reference+=(--width 16); else reference+=(--width 256); fi
stage reference256 15 60 "$python" bench/reference/imf_gpu.py "${reference[@]}" || true

trap - EXIT
write_results
[ "$failed" = 0 ] || fail "a test or the comparison of graph and eager failed: see above and logs.tar.gz"
say "done: $output"
