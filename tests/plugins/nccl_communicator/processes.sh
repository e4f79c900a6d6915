#!/usr/bin/env bash
# Starts a program in several processes on this machine, with the variables that torchrun sets:
#
#   processes.sh COUNT PROGRAM ARGUMENT...
#
# Prints the output of all processes, and exits with the largest of their statuses.
set -u
count=$1
shift

# A port on which nothing listens.
while :; do
  port=$((20000 + RANDOM % 10000))
  (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || break
done

export WORLD_SIZE=$count LOCAL_WORLD_SIZE=$count MASTER_ADDR=127.0.0.1 MASTER_PORT=$port
started=()
for ((rank = 0; rank < count; ++rank)); do
  RANK=$rank LOCAL_RANK=$rank "$@" &
  started+=($!)
done
trap 'kill "${started[@]}" 2> /dev/null' TERM INT
largest=0
for process in "${started[@]}"; do
  wait "$process"
  status=$?
  if ((status > largest)); then largest=$status; fi
done
exit "$largest"
