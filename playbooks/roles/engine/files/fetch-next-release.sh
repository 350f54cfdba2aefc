#!/bin/sh
# Fetch the docker-compose package of Debian's next release, without touching the machine's own package lists.
# Usage: fetch-next-release.sh SCRATCH MIRROR
set -eu
scratch=$1 mirror=$2

# Open to apt's sandbox user, who downloads, and nobody else may write there.
chmod 0711 "$scratch"
install -d -m 0755 "$scratch/lists" "$scratch/cache" "$scratch/cache/archives"
install -d -o _apt -m 0700 "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/download"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$scratch/sources.list"
cd "$scratch/download"
set -- -o Dir::Etc::SourceList="$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$scratch/lists" -o Dir::Cache="$scratch/cache"
apt-get -q "$@" update
apt-get -q "$@" download docker-compose
mv docker-compose_*.deb "$scratch/docker-compose.deb"
