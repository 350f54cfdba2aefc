#!/bin/sh
# Fetch the docker-compose package of Debian's next release, without touching the machine's own package lists.
# Usage: fetch-next-release.sh SCRATCH MIRROR
set -eu
scratch=$1 mirror=$2

mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$scratch/sources.list"
cd "$scratch"
set -- -o Dir::Etc::SourceList="$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$scratch/lists" -o Dir::Cache="$scratch/cache" \
    -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root
apt-get -q "$@" update
apt-get -q "$@" download docker-compose
mv docker-compose_*.deb docker-compose.deb
