#!/usr/bin/env bash
# A data set from your cut-outs and rooms, `reference` trained 20 epochs on both splits,
# scored and exported.
#
#   benchmarks/full_experiment.sh FOREGROUNDS BACKGROUNDS TEACHER OUTPUT [ROWS]
#
# Meant for one GPU and 16 cores; runs offline from the checkout, anywhere that
# `python3 -c "import tensorflow"` works (PYTHON names another interpreter). 400,000 rows
# unless told otherwise. Run again it goes on where it was stopped.
set -euo pipefail
if [ $# -lt 4 ] || [ $# -gt 5 ]; then sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; fi
foregrounds=$(realpath "$1") backgrounds=$(realpath "$2") teacher=$(realpath "$3")
mkdir -p "$4" && output=$(realpath "$4") rows=${5:-400000}
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."

if [ ! -d "$output/data" ]; then
  time $python -m maskdepth_tf.dataset build --set foregrounds="$foregrounds" \
    --set backgrounds="$backgrounds" --set teacher="$teacher" \
    --set output="$output/data" --set rows="$rows" --set "recipe={scale: [0.4, 0.8]}"
fi
# Small sets would have few steps an epoch with gpu.yaml's batch of 1,024.
batch=()
if [ "$rows" -lt 200000 ]; then
  batch=(--set training.batch_size=256 --set optimizer.learning_rate=0.02)
fi
for split in unseen random; do
  run=$output/runs/reference_$split
  if [ -f "$run/report.html" ]; then continue; fi
  resume=(); if [ -f "$run/last.keras" ]; then resume=(--resume); fi
  time $python -m maskdepth_tf.train --config configs/reference.yaml \
    --config configs/gpu.yaml --set data.labels="$output/data" \
    --set data.split=$split "${batch[@]}" --workdir "$run" "${resume[@]}"
done
