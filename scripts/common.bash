# Sourced by run, test, .ci/run and the scripts: messages, quiet builds, timed stages, counting.
# Everything said here goes to stderr unless the caller decides otherwise. Needs bash 5.
# shellcheck shell=bash

POLYIO_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
JOBS=$(nproc 2>/dev/null || echo 2)

say() { printf 'polyio: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# Reads a command's output: keeps all of it in the file $1 and shows only how far it is, by ninja's
# [STEP/STEPS] or else by the time: after 2 seconds, then on a terminal every second, else every 15.
follow() {
  local log=$1 what=$2 line start=$SECONDS next=$((SECONDS + 2)) step='' every=15 status
  if [[ -t 2 ]]; then every=1; fi
  : >"$log"
  while true; do
    status=0
    IFS= read -r -t 1 line || status=$?
    if ((status == 0)); then
      printf '%s\n' "$line" >>"$log"
      if [[ $line =~ ^\[\ *([0-9]+/[0-9]+)\] ]]; then step=${BASH_REMATCH[1]}; fi
    elif ((status <= 128)); then  # the end, not the time limit
      printf '%s' "$line" >>"$log"
      break
    else  # the time limit; what there is of a line
      printf '%s' "$line" >>"$log"
    fi
    if ((SECONDS < next)); then continue; fi
    next=$((SECONDS + every))
    if [[ -t 2 ]]; then
      printf '\r\033[Kpolyio: %s %s' "$what" "${step:-$((SECONDS - start)) s}" >&2
    else
      say "$what ${step:-$((SECONDS - start)) s}"
    fi
  done
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

# quietly WHAT LOG COMMAND...: runs it away from our stdin; shows its output only when it fails.
quietly() {
  local what=$1 log=$2
  shift 2
  mkdir -p "$(dirname "$log")"
  if "$@" </dev/null 2>&1 | follow "$log" "$what"; then return 0; fi
  say "$what failed: $*"
  # ninja prints the failed command and its messages; the end of a long log has them.
  tail -n 80 "$log" >&2
  say "the whole log is in $log"
  return 1
}

# configure PRESET [-DNAME=VALUE...]: when the build folder is new or has other values; everything
# else that calls for a new configuration, ninja sees for itself.
configure() {
  local preset=$1 build=$POLYIO_ROOT/build/$1 option name as_asked=yes
  shift
  for option in "$@"; do
    name=${option#-D}
    grep -qs "^${name%%=*}:[A-Z]*=${name#*=}\$" "$build/CMakeCache.txt" || as_asked=
  done
  if [[ -f $build/build.ninja && -n $as_asked ]]; then return 0; fi
  (cd "$POLYIO_ROOT" &&
    quietly "configuring ($preset)" "$build/configure.log" cmake --preset "$preset" "$@")
}

# build PRESET [TARGET...]
build() {
  local preset=$1 build=$POLYIO_ROOT/build/$1 targets=()
  shift
  if (($#)); then targets=(--target "$@"); fi
  quietly "building ($preset)" "$build/build.log" \
    cmake --build "$build" -j "$JOBS" "${targets[@]}"
}

# may_build: false, with the reason and what to do in WHY_NOT, where another user has built here, as
# after `sudo ./run`.
may_build() {
  local build=$POLYIO_ROOT/build
  if mkdir -p "$build" 2>/dev/null && (: >>"$build/.lock") 2>/dev/null; then return 0; fi
  WHY_NOT="the build folder $build belongs to $(stat -c %U "$build" 2>/dev/null || echo '?'), and"
  WHY_NOT+=" $(id -un) can't write there: 'sudo chown -R $(id -un) $build', or remove it"
  return 1
}

# Two builds in one folder would trip over each other: wait for the other one. The lock is held
# until this shell ends or calls `unlock_build`.
lock_build() {
  command -v flock >/dev/null || return 0
  may_build || die "$WHY_NOT"
  exec {BUILD_LOCK}>"$POLYIO_ROOT/build/.lock"
  flock -n "$BUILD_LOCK" && return 0
  say "another build is running here: waiting for it"
  flock "$BUILD_LOCK"
}
unlock_build() {
  if [[ -n ${BUILD_LOCK:-} ]]; then exec {BUILD_LOCK}>&-; fi
  BUILD_LOCK=
}

# Counts of everything that was checked, and what closes ./test and .ci/run: a table of the stages
# and the line with the counts.
PASSED=0
FAILED=0
STAGES=()
count() {
  PASSED=$((PASSED + $1))
  FAILED=$((FAILED + $2))
}
finish() {
  local row name seconds passed failed state
  if ((${#STAGES[@]})); then printf '\n%-48s %8s %7s %7s\n' stage seconds passed failed; fi
  for row in "${STAGES[@]}"; do
    IFS='|' read -r name seconds passed failed state <<<"$row"
    printf '%-48s %8s %7d %7d%s\n' "$name" "$seconds" "$passed" "$failed" "$state"
  done
  printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
  ((FAILED == 0 && PASSED > 0))
}

# stage NAME COMMAND...: runs it, prints what it took. The answer is the command's.
stage() {
  local name=$1 start=${EPOCHREALTIME/[.,]/} passed=$PASSED failed=$FAILED seconds state='' status=0
  shift
  printf '== %s\n' "$name"
  "$@" || status=$?
  seconds=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
  seconds=$((seconds / 10)).$((seconds % 10))
  if ((status)); then state=' FAILED'; fi
  printf '== %s: %s, %s s\n' "$name" "$([[ $state ]] && echo FAILED || echo ok)" "$seconds"
  STAGES+=("$name|$seconds|$((PASSED - passed))|$((FAILED - failed))|$state")
  return "$status"
}

# check NAME COMMAND...: a stage that counts as one test.
check() { stage "$1" as_one_test "${@:2}" || true; }
as_one_test() {
  if "$@"; then
    count 1 0
  else
    count 0 1
    return 1
  fi
}

# part_of_commit PARTS: the part of what is sampled that this commit takes, 0 to PARTS - 1, from its
# hash. Without a commit, as in an archive, it is part 0.
part_of_commit() {
  local commit
  if [[ $(git -C "$POLYIO_ROOT" rev-parse --show-toplevel 2>/dev/null) == "$POLYIO_ROOT" ]] &&
    commit=$(git -C "$POLYIO_ROOT" rev-parse --verify --quiet HEAD); then
    echo $((16#${commit:0:12} % $1))
  else
    say "this is no git clone: of what is sampled, part 0 is taken"
    echo 0
  fi
}

# run_ctest PRESET NAME [ctest arguments]: runs tests and counts every case in them. CTEST_AS: a
# command before ctest.
CTEST_AS=()
run_ctest() {
  local preset=$1 results=$POLYIO_ROOT/build/$1/results junit counts passed failed skipped status=0
  junit=$results/$2.junit.xml
  shift 2
  mkdir -p "$results"
  rm -f "$results"/*.xml
  (cd "$POLYIO_ROOT" &&
    "${CTEST_AS[@]}" ctest --preset "$preset" -j2 --no-tests=error --output-junit "$junit" "$@" \
      </dev/null) ||
    status=$?
  counts=$("$POLYIO_ROOT/scripts/count-tests" "$junit" "$results") || counts="0 1 0"
  read -r passed failed skipped <<<"$counts"
  if ((status && !failed)); then failed=1; fi
  count "$passed" "$failed"
  printf '   %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  ((failed == 0))
}
