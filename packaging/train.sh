#!/bin/sh
# What `make train` runs: pools of the recordings once, then the training on all cores, which goes on where it stopped.
set -eu
programs=$1 data=$2 recipe=${3:-small} out=${4:-train-run} steps=${5:-20000}

if ! [ -d "$data/speech" ] || ! [ -d "$data/noise" ] || ! [ -d "$data/valid/speech" ] || ! [ -d "$data/valid/noise" ]; then
    cat <<'END'
make train DATA=FOLDER [RECIPE=small] [OUT=train-run] [STEPS=20000]

FOLDER must hold recordings, in any layout and format:
  speech/  noise/              to train on
  valid/speech/  valid/noise/  of other people and places, to see how good it is
and may hold
  rir/                         recorded room responses
  manifest.csv                 the kind of each noise (columns path and noise_class), which recipes weigh

It takes 1.5 GB of disk an hour of speech and of noise, 5 GB of memory a core, and days: two cores train on 10 hours of
audio an hour, 33 with bf16 units (AMX). Ctrl+C saves; the same command goes on.
END
    exit 2
fi

pool() {
    folder=$out/$1
    shift
    [ -f "$folder/pool.json" ] || "$programs/densenoiser-train" pool --out "$folder" "$@"
}

mkdir -p "$out"
set -- --noise-speeds 0
if [ -d "$data/rir" ]; then set -- "$@" --rooms "$data/rir"; fi
if [ -f "$data/manifest.csv" ]; then set -- "$@" --manifest "$data/manifest.csv"; fi
pool pool --speech "$data/speech" --noise "$data/noise" --seed 1 --synthetic-hours 1.5 --made-hours 3 "$@"
pool held-out --speech "$data/valid/speech" --noise "$data/valid/noise" --seed 2 --synthetic-hours 0.1 "$@"
processes=1
while [ $((processes * 2)) -le "$(nproc)" ] && [ $processes -lt 16 ]; do processes=$((processes * 2)); done
passes=$((processes > 4 ? processes : 4))
OMP_NUM_THREADS=1 exec "$programs/python" -m torch.distributed.run --standalone --nproc-per-node "$processes" --no-python \
    "$programs/densenoiser-train" fit --recipe "$recipe" --pool "$out/pool" --validation "$out/held-out" --out "$out" \
    --steps "$steps" --cooldown $((steps * 3 / 10)) --passes "$passes" --compile
