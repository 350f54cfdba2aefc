#!/bin/sh
# Build an image from Debian's MySQL packages. Usage: mysql-from-debian.sh IMAGE PACKAGE
#
# The mirror is the one of the machine's own apt configuration: mmdebstrap takes it from there.
set -eu
image=$1 package=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

# MySQL 9.7 is in Debian's unstable suite, whose Release file can read as expired.
# procps and iproute2 are what verification asks about processes and sockets.
# shellcheck disable=SC2016 # the hook expands its own $1
mmdebstrap --quiet --variant=apt \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$package",procps,iproute2 \
    --customize-hook='chroot "$1" apt-get clean' \
    unstable "$scratch/root.tar"
docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'EXPOSE 3306' "$scratch/root.tar" "$image"
