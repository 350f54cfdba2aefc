"""The command line as the tests use it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
WAVETANK = Path(sys.executable).with_name("wavetank")
UP_TIMEOUT_S = 300
MARK = hashlib.sha256(str(HOME).encode()).hexdigest()[:4]


def own(name: str) -> str:
    """Return the name of an instance of these tests; those of another clone have other names."""
    return f"test-{MARK}-{name}"


def wavetank(*arguments: str, **options: str | int) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, with options as environment variables."""
    environment = {**os.environ, **{name: str(value) for name, value in options.items()}}
    return subprocess.run(
        [WAVETANK, *arguments],
        env=environment,
        cwd=HOME,
        text=True,
        capture_output=True,
        timeout=UP_TIMEOUT_S,
        check=False,
    )


def up(instance: str, **options: str | int) -> subprocess.CompletedProcess[str]:
    """Bring an instance up, or mend it; fail the test with what was printed if that does not work."""
    done = wavetank("up", INSTANCE=instance, **options)
    assert done.returncode == 0, f"topology-up of {instance} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done


def clear(instance: str) -> None:
    """Remove an instance, without the playbook around it that topology-down is, where nothing is in the way of that."""
    project, directory = f"wavetank-{instance}", HOME / ".wavetank" / "instances" / instance
    named = [f"--filter=label=com.docker.compose.project={project}", "--quiet"]
    gone = True
    for kind, removal in (
        (["ps", "--all"], ["rm", "--force", "--volumes"]),
        (["volume", "ls"], ["volume", "rm"]),
        (["network", "ls"], ["network", "rm"]),
    ):
        listed = subprocess.run(["docker", *kind, *named], text=True, capture_output=True, check=True).stdout.split()
        if listed:
            done = subprocess.run(["docker", *removal, *listed], capture_output=True, check=False)
            gone &= done.returncode == 0
    if gone:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        # A small disk that a storm has left is mounted.
        wavetank("down", INSTANCE=instance)
