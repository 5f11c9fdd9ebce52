#!/usr/bin/env bash
# One stage of dvc.yaml: let Snakemake make what of the stage's rules is out of date, and no more.
# usage: dvc_stage.sh <stage> <rule> [<rule> ...]
set -euo pipefail

stage=$1
shift
rules=("$@" "stage_$stage")

# With links, DVC copies persisted outputs before the command; they then look newer than their
# inputs, and stale results would be recorded as up to date.
cache_type=$(dvc config cache.type 2> /dev/null || true)
if grep -qE 'hardlink|symlink' <<< "$cache_type"; then
  echo "dvc_stage.sh: cache.type is $cache_type; allowed: reflink,copy (dvc config cache.type reflink,copy)" >&2
  exit 1
fi

run() {
  snakemake --cores "${SNAKEMAKE_CORES:-all}" --rerun-incomplete --allowed-rules "${rules[@]}" "$@"
}

# What exists without a record of how it was made (a fresh clone, an experiment's copy) is made
# again: Snakemake can't see changed settings for it. DVC vouches for what lies upstream.
export CXRFAIR_PLANNER=dvc
summary=$(run --summary -- "stage_$stage" 2> /dev/null) || {
  echo "dvc_stage.sh: snakemake can't plan stage_$stage:" >&2
  run --summary -- "stage_$stage" > /dev/null
}
forced=()
while IFS=$'\t' read -r file date rule log _; do
  if [ "$date" != - ] && [ "$log" = - ] && [[ " $* " == *" $rule "* ]]; then
    forced+=("$file")
  fi
done < <(tail -n +2 <<< "$summary")
[ "${#forced[@]}" -eq 0 ] || forced=(--forcerun "${forced[@]}")

# DVC wants every output folder to exist, also where the settings leave it empty.
mkdir -p data/phantom/truth data/interim data/images data/vectors data/processed data/masks data/training data/text \
  data/interventions results/models results/search results/predictions results/metrics results/report
run ${forced[@]+"${forced[@]}"} -- "stage_$stage"
