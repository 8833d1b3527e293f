"""A virtual machine with kernel ESP: Debian's cloud kernel, the lab's image as its root, two routers in it.

qemu emulates the processor (`-accel tcg`), so it runs wherever the tests run. Reached by SSH on loopback.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from lab.engine import Engine, install_missing, until

HERE = Path(__file__).parent
BOOT_DEADLINE = 400.0
COMMAND_TIMEOUT = 120.0
PACKAGES = {"qemu-system-x86_64": "qemu-system-x86", "cpio": "cpio", "depmod": "kmod"}
MODULES = ("kernel/net", "kernel/crypto", "kernel/lib", "kernel/arch", "kernel/drivers/net",
           "kernel/drivers/virtio", "kernel/drivers/char/hw_random")  # fmt: skip
META = "linux-image-cloud-amd64"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that has booted. `ports` are loopback's: of the machine itself, paris and tokyo."""

    folder: Path
    ports: dict[str, int]
    host_key: str
    runner: asyncio.Runner
    connections: dict[str, asyncssh.SSHClientConnection] = field(default_factory=dict)
    """Logged in once: an emulated processor takes seconds for that."""

    @property
    def identity(self) -> Path:
        """The private key that is let in, everywhere."""
        return self.folder / "id"

    def run(self, script: str, where: str = "machine") -> str:
        """Run a shell script; what it wrote. Fails the test when the script fails."""
        return self.runner.run(self._run(script, where))

    async def _run(self, script: str, where: str) -> str:
        if where not in self.connections:
            known = asyncssh.import_known_hosts(f"[127.0.0.1]:{self.ports[where]} {self.host_key}\n")
            self.connections[where] = await asyncssh.connect(
                "127.0.0.1", self.ports[where], username="root", client_keys=[str(self.identity)],
                known_hosts=known, config=None, connect_timeout=60, login_timeout=60,
            )  # fmt: skip
        done = await self.connections[where].run(script, timeout=COMMAND_TIMEOUT)
        assert done.exit_status == 0, f"{script}: {done.stdout!s} {done.stderr!s}"
        return str(done.stdout)

    async def leave(self) -> None:
        """Close the connections."""
        for connection in self.connections.values():
            connection.abort()
            await connection.wait_closed()

    def fetch(self, path: str) -> bytes:
        """The content of a file of the machine."""
        return bytes.fromhex(self.run(f'python3 -c \'print(open("{path}", "rb").read().hex())\''))

    def answers(self) -> bool:
        """Whether both charons have loaded their configuration."""
        try:
            return all(self.run("cat /run/charon/ready && echo up", name) for name in ("paris", "tokyo"))
        except (OSError, asyncssh.Error, AssertionError):
            return False


@contextmanager
def machine(engine: Engine, image: str, folder: Path) -> Iterator[Machine]:
    """Boot a machine, and stop it at the end. Raises `EngineUnavailable` when a package cannot be had."""
    install_missing(PACKAGES)
    kernel, modules = _kernel(folder)
    host_key = _root(engine, image, folder, modules)
    ports = dict(zip(("machine", "paris", "tokyo"), free_ports(3), strict=True))
    forwards = ",".join(
        f"hostfwd=tcp:127.0.0.1:{port}-:220{number}" for number, port in enumerate(ports.values())
    )
    console = folder / "console"
    command = [
        "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "1200", "-nographic",
        "-no-reboot", "-monitor", "none", "-serial", f"file:{console}", "-kernel", str(kernel),
        "-initrd", str(folder / "initrd"), "-append",
        "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check",
        "-netdev", f"user,id=n,restrict=on,{forwards}", "-device", "virtio-net-pci,netdev=n,romfile=",
        "-device", "virtio-rng-pci",
    ]  # fmt: skip
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    runner = asyncio.Runner()
    booted = Machine(folder, ports, host_key, runner)
    try:
        up = until(lambda: process.poll() is not None or booted.answers(), BOOT_DEADLINE, poll=0.5)
        said = (folder / "qemu.log").read_text() + console.read_text(errors="replace")
        assert up and process.poll() is None, f"the machine does not boot: {said[-2000:]}"
        yield booted
    finally:
        runner.run(booted.leave())
        runner.close()
        process.kill()
        process.wait()


def _kernel(folder: Path) -> tuple[Path, Path]:
    """Debian's cloud kernel, unpacked and not installed: the kernel itself and its folder of modules."""
    listed = tool("apt-cache", "depends", META).splitlines()
    package = next(line.split()[-1] for line in listed if "Depends: linux-image-" in line)
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
    unpacked = folder / "kernel"
    tool("dpkg", "-x", str(next(folder.glob("linux-image-*.deb"))), str(unpacked))
    return next((unpacked / "boot").glob("vmlinuz-*")), next((unpacked / "lib/modules").iterdir())


def _root(engine: Engine, image: str, folder: Path, modules: Path) -> str:
    """Write `initrd`: the image's files, the modules, our init and SSH's keys. Returns the host key."""
    root = folder / "root"
    root.mkdir()
    export(engine, image, root)
    there = root / "usr/lib/modules" / modules.name
    for part in MODULES:
        shutil.copytree(modules / part, there / part)
    for index in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(modules / index, there / index)
    tool("depmod", "-b", str(root / "usr"), modules.name)
    for name, mode, target in (("init.sh", 0o755, "init"), ("listen.py", 0o644, "listen.py")):
        shutil.copy(HERE / name, root / target)
        (root / target).chmod(mode)
    host_key = ssh_keys(root, folder)
    with (folder / "initrd").open("wb") as output:
        subprocess.run(
            ["sh", "-c", "find . -print0 | cpio -0 -o -H newc --quiet"], cwd=root, stdout=output, check=True
        )
    shutil.rmtree(root)
    return host_key


def export(engine: Engine, image: str, root: Path) -> None:
    """Write the files of an image into the folder `root`, without documentation and devices."""
    archive = root.with_suffix(".tar")
    with engine.connect() as client:
        container = client.create_container(image, "wire")["Id"]
        try:
            with archive.open("wb") as output:
                output.writelines(client.export(container))
        finally:
            client.remove_container(container)
    without = ("usr/share/doc", "usr/share/locale", "usr/share/man", "dev/*", "var/cache/*", ".dockerenv")
    tool("tar", "-xf", str(archive), "-C", str(root), *(f"--exclude={path}" for path in without))
    archive.unlink()


def ssh_keys(root: Path, folder: Path) -> str:
    """Make SSH's keys: the machine's and `folder / "id"`, which it lets in. Returns the host key."""
    ours, theirs = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    secret = root / "etc/ssh/lab_host_key"
    for path, key in ((folder / "id", ours), (secret, theirs)):
        path.touch(mode=0o600)
        path.write_bytes(key.export_private_key())
    (root / "etc/ssh/lab_authorized_keys").write_bytes(ours.export_public_key())
    (root / "etc/ssh/lab_config").write_text(
        "HostKey /etc/ssh/lab_host_key\nAuthorizedKeysFile /etc/ssh/lab_authorized_keys\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
    )
    return theirs.export_public_key().decode().strip()


def tool(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr.strip()[-500:]}"
    return done.stdout


def free_ports(count: int) -> list[int]:
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [server.getsockname()[1] for server in with_ports]
    for server in with_ports:
        server.close()
    return ports
