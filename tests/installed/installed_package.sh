#!/usr/bin/env bash
# Installs roboimi, moves the installation, and uses it from a folder outside the source tree: builds the
# examples and the plugin guide's code against it, checks and lists a plugin, and trains two steps with it.
#
#   installed_package.sh BUILD_FOLDER SOURCE_FOLDER
set -euo pipefail
build=$1
source=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

say() { echo "== $*"; }
# expect PATTERN COMMAND...: fails unless the command succeeds and prints the pattern. The output is saved
# first, because grep -q in a pipe would end the command early.
expect() {
  local wanted=$1
  shift
  "$@" > "$folder/output.txt" 2>&1 || { cat "$folder/output.txt"; return 1; }
  grep -q -e "$wanted" "$folder/output.txt" || {
    echo "expected '$wanted' from: $*"
    cat "$folder/output.txt"
    return 1
  }
}

say "install roboimi and move the installation"
cmake --install "$build" --prefix "$folder/first" > /dev/null
mv "$folder/first" "$folder/roboimi"
prefix=$folder/roboimi
roboimi=$prefix/bin/roboimi
unset ROBOIMI_PLUGIN_PATH ROBOIMI_CONFIG_PATH
cd "$folder"

say "check that the installed documents have their images and the files that they link to"
documents=$prefix/share/doc/roboimi
for page in README.md docs/architecture.md docs/data.md docs/suites.md docs/results/encoders.md; do
  grep -oE '\]\([^)#:]+\.(svg|png|webp|md)[)#]' "$documents/$page" | tr -d '])(#' | while read -r link; do
    case "$link" in
      */assets/* | */experiment_suites/*) ;;  # not installed
      *) test -f "$(dirname "$documents/$page")/$link" || { echo "$page: $link is not installed"; exit 1; } ;;
    esac
  done
done

say "build the example plugin and run its conformance tests"
cp -r "$source/examples/third_party_backbone" .
cmake -S third_party_backbone -B my_backbone -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
cmake --build my_backbone -j 2
ctest --test-dir my_backbone --output-on-failure -j 2

say "check and list the plugin"
expect ': accepted' "$roboimi" plugins check my_backbone/libmy_backbone.so
expect my_backbone "$roboimi" plugins list --plugin-path my_backbone
expect 'channels of the first stage' "$roboimi" plugins inspect my_backbone --plugin-path my_backbone

say "reject a damaged copy by name, and continue"
mkdir damaged
cp my_backbone/libmy_backbone.so damaged/
size=$(stat -c %s damaged/libmy_backbone.so)
printf 'XXXX' | dd of=damaged/libmy_backbone.so bs=1 seek=$((size / 4)) conv=notrunc status=none
expect 'damaged/libmy_backbone.so' "$roboimi" plugins list --plugin-path damaged
expect 'the file is damaged' "$roboimi" plugins list --plugin-path damaged
"$prefix/bin/roboimi_plugin_checksum" damaged/libmy_backbone.so

say "train two steps with the plugin"
"$roboimi" collect --config collect_sim_transfer.yaml size=small collect.num_episodes=2 \
  collect.output=data collect.workers=1 > /dev/null
expect 'finished after 2 steps' "$roboimi" run --config lewm_imf_attnres.yaml size=small data.path=data \
  train.max_steps=2 train.batch_size=2 train.rollout_num_episodes=0 agent.head.n_emb=32 agent.head.n_layer=1 \
  agent.backbone.plugin=./my_backbone/libmy_backbone.so agent.backbone.width=4

say "use streams that core does not handle itself: depth, state with images, tokens, text"
cp -r "$source/tests/installed/streams" .
cmake -S streams -B streams/build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release > /dev/null
cmake --build streams/build -j 2
expect 'libstreams.so: accepted' "$roboimi" plugins check streams/build/libstreams.so
"$roboimi" collect --config streams/collect.yaml --plugin-path streams/build > /dev/null
train() {
  expect 'finished after 2 steps' "$roboimi" run --config "streams/$1.yaml" --plugin-path streams/build name="$2" "${@:3}"
  grep -q '"num_episodes": 2' runs/*_"$2"/rollouts/step_00000002/summary.json
  expect 'acted 10 steps' streams/build/act runs/*_"$2" streams/build
}
train run depth
train run proprio agent.backbone.type=proprio_backbone
train text text

say "log a run to SwanLab with the installed script"
ROBOIMI_PYTHON=$source/.venv/bin/python expect 'SwanLab: ' "$roboimi" run --config lewm_imf_attnres.yaml \
  size=small agent=state_imf_attnres data.path=data output_dir=shown train.max_steps=2 train.batch_size=2 \
  train.rollout_num_episodes=0 agent.head.n_emb=32 agent.head.n_layer=1 track.swanlab=offline
test -x "$prefix/share/roboimi/scripts/swanlab_follow.py"
grep -q "shown/.*/swanlab" shown/*/run.json

say "control the simulator with that policy in a separate program"
cmake -S "$source/examples/embed_policy" -B embed_policy -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
cmake --build embed_policy
expect 'missed deadlines' embed_policy/embed_policy runs/*_lewm_imf_attnres 2 40
cat output.txt

say "check that this program takes std::filesystem from libstdc++, not from libtorch"
LD_BIND_NOW=1 LD_DEBUG=bindings LD_DEBUG_OUTPUT=$folder/bindings embed_policy/embed_policy > /dev/null 2>&1 || true
grep -h 'binding file .*_ZNSt10filesystem' bindings.* | grep -v 'binding file [^ ]*/libtorch' > bound.txt
grep -q 'to [^ ]*/libstdc++' bound.txt
if grep 'to [^ ]*/libtorch' bound.txt; then exit 1; fi

# code_of PAGE FOLDER: a code fence with a file name, such as ```cpp my_encoder.cpp, becomes that file.
code_of() {
  mkdir "$2"
  awk -v folder="$2" '/^```[a-z]+ [^ ]+$/ {file = folder "/" $2; next} /^```/ {file = ""} file {print > file}' "$1"
}

say "build the program of the page on deployment and run it"
code_of "$source/docs/deploy.md" robot
cmake -S robot -B robot/build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
cmake --build robot/build
robot/build/my_robot runs/*_lewm_imf_attnres > commands.txt
test "$(wc -l < commands.txt)" = 100
expect 'my_robot: nowhere' sh -c '! robot/build/my_robot nowhere'

say "build the plugin guide's code"
code_of "$source/docs/plugins.md" guide
cmake -S guide -B guide/build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
cmake --build guide/build -j 2
ctest --test-dir guide/build --output-on-failure

say "install the guide's plugin into the installation"
cmake --install guide/build --prefix "$prefix" > /dev/null
expect mean_color "$roboimi" plugins list
