"""A server's data on a small disk of its own, which can be full while this machine's is not.

The disk is an image file in the server's volume, mounted where its data are: when it is full, it is the kernel
that says so to the server, and all that fills up is this file, whose size is settled before anything is moved.

Where the data are is one question at any time, so that whoever is killed half-way leaves an answer:

    disk.img, and data/ holds nothing or is where it is mounted     in the image
    disk.img, and data/ holds something and nothing is mounted      in data/: the image was not used yet
    data.whole                                                      in data.whole: copied back, not yet in its place
    none of them                                                    in data/; disk.img.new and data.new are half made
"""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from wavetank.errors import UsageError
from wavetank.machine import containers

# What a small disk has beside the data that are moved to it: a server that starts needs some of it.
MIB = 2**20
SPARE = 96 * MIB
# The last of a disk is filled in steps of a block: how much of the rest is metadata's, only the kernel knows.
_LAST = 1 * MIB
_BLOCK = 4096
# More than this is not copied to and fro for a drill.
MOST_DATA = 2048 * MIB
STOP_TIMEOUT_S = 5
# Of a data directory, as the server makes it; a new file system is open to all.
_MODE = 0o750
_TOOLS = ("mkfs.ext4", "mount", "umount", "cp")
_OF_THE_IMAGE = ("lost+found", "ballast")


class Disk:
    """The place of one server's data: `volume` is its directory on this machine, `container` who uses it."""

    def __init__(self, container: str, volume: Path) -> None:
        """Take the server's container and volume; nothing is changed."""
        self.container = container
        self.volume = volume
        self.data = volume / "data"
        self._image = volume / "disk.img"
        self._old = volume / "data.old"
        self._whole = volume / "data.whole"
        # What is half made, and may be thrown away at any time.
        self._half = (volume / "disk.img.new", volume / "data.new")

    @property
    def moved(self) -> bool:
        """Whether something of a small disk is there, whole or half made."""
        return any(map(os.path.lexists, (self._image, self._old, self._whole, *self._half)))

    def refuse_unfit(self) -> None:
        """Say why the data cannot be moved to a small disk, before anything is touched.

        Raises:
            UsageError: this machine is not the engine's, does not let us, or the data are too many.
        """
        missing = [tool for tool in _TOOLS if not shutil.which(tool)]
        if os.geteuid() != 0 or missing or not self.data.is_dir():
            raise UsageError(
                f"a small disk for {self.container} takes root and mkfs.ext4 on the engine's machine, where its data "
                f"are in {self.data}"
            )
        size, free = _size_of(self.data), shutil.disk_usage(self.volume).free
        if size > MOST_DATA or free < 3 * (size + SPARE):
            raise UsageError(
                f"the data of {self.container} are {size // MIB} MiB: moving them to a small disk takes at most "
                f"{MOST_DATA // MIB} MiB of data, and three times as much free, which is {free // MIB} MiB"
            )

    def shrink(self) -> None:
        """Move the data to a small disk, and start the server there: closed, as every server starts.

        Raises:
            UsageError: it cannot be done; see refuse_unfit(). The data are where they were then.
        """
        self.refuse_unfit()
        containers.stop(self.container, STOP_TIMEOUT_S)
        half, _ = self._half
        found = self.data.stat()
        with half.open("wb") as file:
            file.truncate(_size_of(self.data) + SPARE)
        owner = f"root_owner={found.st_uid}:{found.st_gid}"
        _demand("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-E", owner, "-d", str(self.data), str(half))
        half.rename(self._image)
        self.data.rename(self._old)
        self.data.mkdir()
        shutil.rmtree(self._old)
        self._mount()
        self.data.chmod(_MODE)
        _allocate(self.data)
        containers.start(self.container)

    def fill(self) -> None:
        """Let a file take all that is left of the small disk.

        Raises:
            UsageError: the data are on no small disk; it is never this machine's that is filled.
        """
        if not self.data.is_mount() or not self._image.exists():
            raise UsageError(f"{self.container} has no small disk to be filled")
        # More than the image is, nothing can take; should the mount go away meanwhile, this machine loses no more.
        most = self._image.stat().st_size
        room = os.statvfs(self.data)
        with (self.data / "ballast").open("wb", buffering=0) as ballast:
            if (begun := min(most, room.f_bavail * room.f_frsize - _LAST)) > 0:
                os.posix_fallocate(ballast.fileno(), 0, begun)
                ballast.seek(begun)
            with contextlib.suppress(OSError):
                for _ in range(max(0, begun), most, _BLOCK):
                    ballast.write(bytes(_BLOCK))

    def left(self) -> int:
        """Return how many bytes the server could still write, as its kernel says."""
        room = os.statvfs(self.data)
        return room.f_bavail * room.f_frsize

    def free(self) -> None:
        """Take back what filled the disk."""
        if self.data.is_mount():
            (self.data / "ballast").unlink(missing_ok=True)

    def restore(self) -> None:
        """Stop the server and move its data back from the small disk; run again, it finishes what was interrupted.

        Raises:
            UsageError: this machine does not let us; nothing is lost then.
        """
        self.free()
        if self._image.exists() or self._whole.exists():
            containers.stop(self.container, STOP_TIMEOUT_S)
        if self._image.exists() and not self._whole.exists():
            self._copy_back()
        if self._whole.exists():
            self._unmount()
            self._image.unlink(missing_ok=True)
            if self.data.exists():
                self.data.rmdir()  # where the disk was mounted: it refuses what is not empty
            self._whole.rename(self.data)
        for half in self._half:
            _remove(half)
        _remove(self._old)

    def abandon(self) -> None:
        """Stop the server and take the disk from under it, so that its volume can be deleted with all data."""
        containers.stop(self.container, 0)
        self._unmount()

    def _copy_back(self) -> None:
        self.data.mkdir(exist_ok=True)
        if not self.data.is_mount():
            if any(self.data.iterdir()):
                self._image.unlink()  # made, and not used yet
                return
            self._mount()
        self.free()
        _, half = self._half
        _remove(half)
        _demand("cp", "-a", "--sparse=always", str(self.data), str(half))
        half.chmod(_MODE)
        for name in _OF_THE_IMAGE:
            _remove(half / name)
        half.rename(self._whole)

    def _mount(self) -> None:
        _demand("mount", "-o", "loop", str(self._image), str(self.data))

    def _unmount(self) -> None:
        while self.data.is_mount():
            _demand("umount", str(self.data))


def disks(project: str) -> dict[str, Disk]:
    """Return the places of the data of a compose project's servers, by the container's name, which is the volume's."""
    return {name: Disk(name, volume) for name, volume in containers.volumes(project).items()}


def moved(project: str) -> list[Disk]:
    """Return those of them that are on a small disk, or half on their way to or from one."""
    return [disk for disk in disks(project).values() if disk.moved]


def _size_of(directory: Path) -> int:
    """Return the bytes that all files in it have, holes included."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _allocate(directory: Path) -> None:
    """Fill the holes of all files: what a server has written before does not fail for want of space."""
    (directory / "lost+found").rmdir()
    for path in directory.rglob("*"):
        if path.is_file() and (size := path.stat().st_size):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _demand(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UsageError(f"{' '.join(command)} failed: {' '.join(done.stderr.split())}")
