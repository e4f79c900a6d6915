#!/usr/bin/env bash
# Reproduces assets/checkpoints/lewm_sim_transfer.safetensors and the numbers in its model card.
#
#   scripts/lewm_sim_transfer.sh probe       # linear probes of the shipped checkpoint and of random weights
#   scripts/lewm_sim_transfer.sh pretrain    # trains it again; a second call continues the training
#
# Everything is kept in lewm_output/. The demonstrations for the probes (seeds 300-359, the last 20 held out)
# are not among those of the training (seeds 0-199).
set -euo pipefail
cd "$(dirname "$0")/.."
output=lewm_output
roboimi=build/release/bin/roboimi
[ -x "$roboimi" ] || { echo "lewm_sim_transfer.sh: $roboimi is missing; run scripts/demo.sh first" >&2; exit 1; }
# Waiting threads must not occupy a core that another program could use.
export OMP_WAIT_POLICY=passive

collect() { # folder, episodes, first seed
  "$roboimi" collect --config collect_sim_transfer.yaml size=small collect.output="$1" \
    collect.num_episodes="$2" collect.first_seed="$3" collect.noise=0.004
}

probe() { # name, overrides
  echo "lewm_sim_transfer.sh: $1"
  "$roboimi" eval --probe --config lewm_imf_attnres.yaml size=small data.path="$output/probe" \
    --held-out 20 --output "$output/$1" "${@:2}" | tee "$output/$1.txt"
}

case "${1:-}" in
  probe)
    collect "$output/probe" 60 300
    probe shipped
    probe random agent.backbone.random_init=true agent.backbone.image_size=112
    ;;
  pretrain)
    collect "$output/data" 200 0
    run=$(ls -d "$output"/runs/*_lewm_pretrain 2>/dev/null | tail -n 1 || true)
    if [ -n "$run" ]; then
      "$roboimi" run --resume "$run"
    else
      "$roboimi" run --config lewm_pretrain.yaml size=small data.path="$output/data" \
        train.max_steps=900 train.held_out_episodes=20 output_dir="$output/runs"
      run=$(ls -d "$output"/runs/*_lewm_pretrain | tail -n 1)
    fi
    "$roboimi" checkpoint convert "$run/checkpoints/latest/model.safetensors" \
      "$output/lewm_sim_transfer.safetensors" --layout lewm --dtype fp16
    ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
