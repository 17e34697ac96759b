#!/usr/bin/env bash
# Makes the network that comes with the package: data, training, checks, and the preset.
#
#   benchmarks/shipped_network.sh SOURCES OUTPUT
#
# SOURCES holds office/fg and cutouts (RGBA), office/bg and rooms, and the teacher
# teacher/fast_depth_224.tflite. On 2 cores it takes about nine hours; run again it goes
# on where it was stopped. OUTPUT/fine is the preset then.
set -euo pipefail
if [ $# -ne 2 ]; then sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; fi
sources=$(realpath "$1")
mkdir -p "$2" && output=$(realpath "$2")
here=$(realpath "$(dirname "$0")/..")
python=${PYTHON:-$here/.venv/bin/python}
export PYTHONPATH=$here
maskdepth=("$python" -m maskdepth_tf)

# Each step leaves a mark when it is done.
step() {
  if [ ! -e "$output/.$1" ]; then echo "== $1"; time "${@:2}"; touch "$output/.$1"; fi
}
train() {
  "${maskdepth[@]}" train --config fine --resume --workdir "$output/runs/$1" \
    --set data.labels="$output/data/labels.txt" --set data.memory_gb=12 "${@:2}"
}

step composites "${maskdepth[@]}" dataset compose --output "$output/data/mixed" \
  --foregrounds "$sources/office/fg" --foregrounds "$sources/cutouts" \
  --backgrounds "$sources/office/bg" --backgrounds "$sources/rooms" --group-by-name \
  --rows 36000 --preset realistic --empty 0.04 --quality 60 --seed 11
step depth "${maskdepth[@]}" dataset depth --data "$output/data/mixed" --of-rooms \
  --teacher "$sources/teacher/fast_depth_224.tflite"
step rendered "${maskdepth[@]}" dataset synthesize --output "$output/data/rendered" \
  --rows 4800 --rooms 400 --figures 300 --image-size 192 --seed 3 --quality 60
step index "${maskdepth[@]}" dataset index "$output/data"
step hand_held "${maskdepth[@]}" dataset synthesize --output "$output/hand" \
  --hand-held --rows 100 --image-size 224
# What it learns at 128 pixels it need not learn at 192, where all takes twice as long.
small=(--set data.image_size=128 --set augmentation.zoom_maximum=1)
step first train first "${small[@]}"
step last train last "${small[@]}" --init "$output/runs/first" \
  --set training.epochs=2 --set optimizer.learning_rate=0.05 \
  --set optimizer.drop_epochs=1
# Longer, with milder disturbances: registration undoes most of them.
milder=(--set camera.move_probability=0.25 --set camera.light_probability=0.3
  --set camera.blur_probability=0.25 --set camera.noise_probability=0.4
  --set camera.compression_probability=0.3 --set scene.shadow_probability=0.4
  --set scene.thing_probability=0.25 --set optimizer.drop_epochs=1
  --set model.precision=mixed_bfloat16)
step more train more "${small[@]}" --init "$output/runs/last" "${milder[@]}" \
  --set training.epochs=12 --set optimizer.learning_rate=0.15 \
  --set optimizer.drop_factor=0.7
step again train again "${small[@]}" --init "$output/runs/more" "${milder[@]}" \
  --set training.epochs=11 --set optimizer.learning_rate=0.12 \
  --set optimizer.drop_factor=0.72
step large train large --init "$output/runs/again" "${milder[@]}" \
  --set training.epochs=5 --set optimizer.learning_rate=0.1 \
  --set optimizer.drop_factor=0.55
step robustness "${maskdepth[@]}" robustness --workdir "$output/runs/large" --rows 100 \
  --hand-held "$output/hand/labels.txt"
step evaluation "${maskdepth[@]}" evaluate --workdir "$output/runs/large"
step preset "$python" - "$output" <<'PYTHON'
import sys
from pathlib import Path

from maskdepth_tf.training import checkpoints, presets

output = Path(sys.argv[1])
network = checkpoints.load_model(output / "runs" / "large")
# With 10 bits of mantissa instead of 23 the wheel is a sixth smaller.
for weight in network.weights:
    weight.assign(weight.numpy().astype("float16"))
presets.save_to_preset(network, output / "fine")
PYTHON
echo "the preset is $output/fine, its figures are in $output/runs/large"
