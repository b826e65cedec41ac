# The one entry to every task. CI calls the same script.

default:
    @just --list

# Everything that must be green before a change is offered
ci:
    .ci/run

# The local cluster: four game servers, two proxies
up *arguments:
    cargo run --release -- up {{arguments}}

# All tests, or those of one crate: `just test -p protocol`
test *arguments='--workspace':
    cargo test {{arguments}}

# Lints as CI sees them
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# The house rules alone: sizes, layers, circles, licences
tidy:
    cargo test -p tidy

# The client for browsers and the page, into client/web/dist; needs Node.js and npm
web:
    client/web/build

# Benchmarks beside their bare baselines: those that need no cluster, or the one named
bench *arguments:
    cargo run --release -p bench -- {{arguments}}

# libFuzzer on each target, a minute each: `just fuzz 600 snapshot`
fuzz *arguments:
    fuzz/run {{arguments}}

# An hour of players who come and go while nodes are killed and frozen: nothing is lost, nothing grows
soak *arguments:
    cargo build --release -p regionmesh
    cargo run --release -p bench -- soak {{arguments}}

# Nodes killed and frozen, hosts cut off, bad roads, wrong clocks, a database away: each under players, with how long they stood still
chaos which='all':
    CHAOS={{which}} cargo test -p regionmesh --features namespace-tests --test three_hosts nothing_is_lost -- --nocapture

# Formats everything
fmt:
    cargo fmt --all

# The documentation of all crates
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Advisories and licences over the network; needs cargo-deny
deny:
    cargo deny check
