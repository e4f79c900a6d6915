#!/usr/bin/env bash
# From a fresh clone to an evaluated policy in about 12 minutes on two cores without a GPU: setup, build, scripted
# demonstrations in simulation, a short training of the small variant, and ten episodes that the policy has not seen.
# Beside them, ten episodes of the same policy with black images show what it does without its cameras.
#
# ROBOIMI_DEMO_EPISODES, ROBOIMI_DEMO_STEPS and ROBOIMI_DEMO_SEED change the number of demonstrations, the number of
# training steps and the training's seed. ROBOIMI_DEMO_OUTPUT changes the output folder.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${ROBOIMI_JOBS:-$(nproc)}
demonstrations=${ROBOIMI_DEMO_EPISODES:-50}
steps=${ROBOIMI_DEMO_STEPS:-8000}
seed=${ROBOIMI_DEMO_SEED:-0}
output=${ROBOIMI_DEMO_OUTPUT:-demo_output}
roboimi=build/release/bin/roboimi

SECONDS=0
stage() { printf '\ndemo.sh: [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1"; }

stage "setup: 1 minute, and several the first time, when it downloads torch"
scripts/setup.sh

stage "build: about 5 minutes"
cmake --preset release
cmake --build --preset release -j "$jobs" --target roboimi plugins

stage "collect $demonstrations demonstrations: about half a minute"
"$roboimi" collect --config collect_sim_transfer.yaml size=small collect.noise=0.004 \
  collect.num_episodes="$demonstrations" collect.output="$output/data"

# The images are encoded once, before the first step.
stage "train $steps steps: about 5 minutes"
"$roboimi" run --config lewm_imf_attnres.yaml size=small data.path="$output/data" seed="$seed" \
  train.max_steps="$steps" train.batch_size=64 agent.pred_horizon=10 train.save_every="$steps" train.rollout_num_episodes=0 \
  output_dir="$output/runs" name=demo
run=$(ls -dt "$output"/runs/*_demo | head -n 1)

# The episodes start from seeds that no demonstration has.
stage "evaluate the policy: about 10 seconds"
"$roboimi" eval --checkpoint "$run" --episodes 10 --seed 1000 --video 2

stage "evaluate it with black images: about 10 seconds"
"$roboimi" eval --checkpoint "$run" --episodes 10 --seed 1000 --control black --video 1

stage "done"
cat <<END
  demonstrations  $output/data
  run             $run
  metrics         $run/metrics.jsonl (and TensorBoard events beside it)
  videos, images  $(ls -d "$run"/evaluations/*_episodes_10)

Next, with the full-size head:

  $roboimi collect --config collect_sim_transfer.yaml
  $roboimi run --config lewm_imf_attnres.yaml
END
