#!/usr/bin/env bash
# The one gate, `npm test`: build, format, lint, types, Rust, TypeScript tests, flow and addon tests again on Node 24, and
# generated files as they would be generated. Runs every step that can run, says which failed, and ends with `N passed, N failed`.
# POLYGATE_TEST_STEPS="lint types" runs only those steps.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=()
skipped=()
started=$SECONDS
wanted=" ${POLYGATE_TEST_STEPS:-} "

# step NAME COMMAND...: runs it with its output in a file, which is shown when it fails. The step that others build on
# sets `broken`.
step() {
  local name=$1 from=$SECONDS
  shift
  if [ "$wanted" != "  " ] && [[ $wanted != *" $name "* ]]; then return; fi
  if [ -n "${broken:-}" ] && [ "$name" != format ] && [ "$name" != rust-format ]; then
    skipped+=("$name")
    printf -- '---   %-14s not run: %s failed\n' "$name" "$broken"
    return
  fi
  printf '...   %s\n' "$name"
  if "$@" >"$logs/$name" 2>&1; then
    printf 'ok    %-14s %4d s\n' "$name" $((SECONDS - from))
  else
    failed+=("$name")
    printf '\n===== %s failed: %s\n' "$name" "$*"
    # The end of the node runner's report repeats the failures; of a compiler's output the beginning matters too.
    if [ "$(wc -l <"$logs/$name")" -gt 400 ]; then
      head -n 100 "$logs/$name"
      printf '\n[... %s lines]\n\n' $(($(wc -l <"$logs/$name") - 400))
      tail -n 300 "$logs/$name"
    else
      cat "$logs/$name"
    fi
    printf '===== end of %s\nFAIL  %-14s %4d s\n\n' "$name" "$name" $((SECONDS - from))
    [ "$name" = tools ] || [ "$name" = build ] && broken=$name
  fi
}

tools() {
  local missing=0
  need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "missing: $1 ($2)"
    missing=1
  }
  need node 'Node.js 20.19 or newer'
  need npm 'comes with Node.js'
  need cargo 'Rust 1.88 or newer, rustup.rs'
  need cc 'a C compiler, Debian: apt install build-essential'
  need c++ 'a C++ compiler, Debian: apt install build-essential'
  need openssl 'makes the certificates of the tests, Debian: apt install openssl'
  need curl 'runs the lines that the demo prints, Debian: apt install curl'
  need git 'lists the files of the repository'
  need script 'is a terminal for a command, Debian: apt install bsdutils'
  cargo fmt --version >/dev/null 2>&1 || { echo 'missing: rustfmt (rustup component add rustfmt)'; missing=1; }
  cargo clippy --version >/dev/null 2>&1 || { echo 'missing: clippy (rustup component add clippy)'; missing=1; }
  [ -d node_modules/typescript ] || { echo 'missing: node_modules (run npm ci first)'; missing=1; }
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
    { echo "Node.js 20.19 or newer is needed, this is $(node --version)"; missing=1; }
  return $missing
}

types() {
  npx --no-install tsc --noEmit -p test/tsconfig.json && npx --no-install tsc --noEmit -p bench/tsconfig.json
}

# Clients of others that sign requests for a test: npm packages, and PyPI packages in an environment beside them. Installed
# when there are none, or other ones than are asked for. No script of a package runs.
clients() {
  local folder=test/clients asked
  asked=$(cat "$folder/package-lock.json" "$folder/requirements.txt" | sha256sum)
  [ "$(cat "$folder/node_modules/.asked" 2>/dev/null)" != "$asked" ] || return 0
  python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' ||
    { echo 'missing: Python 3.10 or newer with venv (Debian: apt install python3-venv)'; return 1; }
  (
    cd "$folder" && npm ci --ignore-scripts --silent && python3 -m venv node_modules/.python &&
      node_modules/.python/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement requirements.txt
  ) || { echo "the clients could not be installed ($folder)"; return 1; }
  echo "$asked" >"$folder/node_modules/.asked"
}

# node_tests NODE FOLDER...: files run one beside another, the tests of a file in order.
node_tests() {
  local node=$1
  shift
  mapfile -t files < <(find "$@" -name node_modules -prune -o -name '*.test.ts' -print | LC_ALL=C sort)
  [ ${#files[@]} -gt 0 ] || { echo "no tests in $*"; return 1; }
  "$node" --import tsx --test --test-concurrency=2 --test-timeout=180000 --test-reporter=spec "${files[@]}"
}

node_24_tests() {
  (cd test/runtimes && npm ci --silent) || { echo 'the second Node version could not be installed (test/runtimes)'; return 1; }
  local node
  node=$(echo test/runtimes/node_modules/node-linux-*/bin/node)
  [ -x "$node" ] || { echo "no Node 24 for this machine: $(uname -sm)"; return 1; }
  "$node" --version
  node_tests "$PWD/$node" test/flow test/shared
}

# Generated and committed are the lock files, nothing else: each is made anew from its manifest, offline, and compared.
# What a lock file lacks would have to be fetched, and fails it too.
generated() {
  local folder copy same=0
  for folder in . bench test/runtimes test/clients; do
    copy=$(mktemp -d -p "$logs")
    cp "$folder/package.json" "$folder/package-lock.json" "$folder/.npmrc" "$copy/"
    (cd "$copy" && npm install --package-lock-only --offline --ignore-scripts --silent) &&
      diff "$folder/package-lock.json" "$copy/package-lock.json" ||
      { echo "$folder/package-lock.json is not what $folder/package.json gives: npm install --package-lock-only"; same=1; }
  done
  cargo metadata --locked --offline --format-version 1 >"$logs/metadata" || same=1
  return $same
}

step tools tools
step build npm run --silent build
step format npx --no-install prettier --config .config/prettier.json --ignore-path .config/prettierignore --check .
step lint npx --no-install eslint -c .config/eslint.config.js --max-warnings 0 ts test bench
step types types
step rust-format cargo fmt --all --check
step rust-lint cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
step rust-tests cargo test --locked --workspace --quiet
step clients clients
step tests node_tests "$(command -v node)" test
step tests-node-24 node_24_tests
step generated generated

# Counts of the node runner (`ℹ pass 12`) and of cargo (`test result: ok. 12 passed; 0 failed`).
count() {
  cat "$logs"/tests "$logs"/tests-node-24 "$logs"/rust-tests 2>/dev/null |
    awk -v node="$1" -v cargo="$2" '$2 == node && $3 ~ /^[0-9]+$/ { n += $3 }
      /^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" cargo) n += $(i - 1) } END { print n + 0 }'
}

printf '\n%d s' $((SECONDS - started))
[ ${#failed[@]} -eq 0 ] || printf '; failed: %s' "${failed[*]}"
[ ${#skipped[@]} -eq 0 ] || printf '; not run: %s' "${skipped[*]}"
printf '\n%s passed, %s failed\n' "$(count pass passed)" "$(count fail failed)"
[ ${#failed[@]} -eq 0 ] && [ ${#skipped[@]} -eq 0 ]
