"""A router of the lab as a virtual machine: Debian with systemd, plugged into the lab's bridges.

qemu emulates the processor (`-accel tcg`). Its power can be cut: SIGKILL, and nothing that it had not yet
written to its disk is there at the next boot. (`cache=unsafe` concerns the power of the machine below it.)
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.engine import Engine, install_missing, until
from lab.session import Lab
from lab.topology import Role
from reconciler.model.fabric import SshAccess
from tests.lab.kernel.machine import export, free_ports, ssh_keys, tool

HERE = Path(__file__).parent
DEADLINE = 400.0
PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86", "cpio": "cpio", "mke2fs": "e2fsprogs", "ssh": "openssh-client"
}  # fmt: skip
REFERENCE = "tunnelwright-boots:test"
CABLES = ("wan", "lan")
DRIVERS = ("failover", "net_failover", "virtio_net", "virtio-rng", "virtio_blk")
"""Modules that `init.sh` loads."""
# An emulated timer that misses its ticks while the host is busy is no broken one: the check for that panics.
KERNEL = (
    "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off init_on_alloc=0 audit=0 lsm=capability"
    " tsc=reliable no_timer_check nowatchdog random.trust_cpu=on cryptomgr.notests systemd.show_status=error"
)
"""Most of it spares an emulated processor some work."""


@dataclass(slots=True)
class Machine:
    """One machine with its disk. `router` is the one of the lab whose place it takes."""

    lab: Lab
    router: str
    folder: Path
    port: int
    host_key: str
    process: subprocess.Popen[bytes] | None = None
    boots: int = 0

    @property
    def access(self) -> SshAccess:
        """How tunnelwright reaches it."""
        identity, socket = str(self.folder / "id"), "/run/charon/charon.vici"
        return SshAccess("127.0.0.1", self.port, "root", identity, self.host_key, socket)

    def plug_in(self) -> None:
        """Take the router's container off the lab, and its place on the bridges."""
        node = self.lab.topology.node(Role.ROUTER, self.router)
        with self.lab.engine.connect() as client:
            client.kill(self.lab.container(Role.ROUTER, self.router))
            client.wait(self.lab.container(Role.ROUTER, self.router))
        shutil.copy(HERE / "plug.py", self.lab.spool / "plug.py")
        for cable, port in zip(CABLES, node.ports, strict=True):
            end, script = port.wire_name, "/spool/plug.py"
            self.lab.run(
                Role.WIRE, self.lab.name,
                ["sh", "-c", f"until ! test -e /sys/class/net/{end}; do sleep 0.05; done;"
                 f"ip link add {end} type veth peer name {end}x; ip link set {end} master {port.bridge} up;"
                 f"ip link set {end}x up"],
            )  # fmt: skip
            words = ["python3", script, f"{end}x", f"/spool/{cable}.wire", f"/spool/{cable}.card"]
            with self.lab.engine.connect() as client:
                made = client.exec_create(self.lab.container(Role.WIRE), words)
                client.exec_start(made["Id"], detach=True)
            assert until((self.lab.spool / f"{cable}.wire").exists, 20), "the cable is plugged in"

    def boot(self) -> None:
        """Switch it on; returns at once."""
        self.boots += 1
        cards: list[str] = []
        for cable in CABLES:
            ours, theirs = (self.lab.spool / f"{cable}.{end}" for end in ("card", "wire"))
            ours.unlink(missing_ok=True)
            sockets = f"local.type=unix,local.path={ours},remote.type=unix,remote.path={theirs}"
            cards += ["-netdev", f"dgram,id={cable},{sockets}"]
            cards += ["-device", f"virtio-net-pci,netdev={cable},romfile="]
        command = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max", "-smp", "2",
            "-m", "288", "-nographic", "-no-reboot", "-monitor", "none", "-serial", "stdio",
            "-kernel", str(self.folder / "vmlinuz"), "-initrd", str(self.folder / "initrd"),
            "-append", KERNEL,
            "-drive", f"file={self.folder / 'disk'},format=raw,if=virtio,cache=unsafe",
            *cards,
            "-netdev", f"user,id=m,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22",
            "-device", "virtio-net-pci,netdev=m,romfile=", "-device", "virtio-rng-pci",
        ]  # fmt: skip
        with self.console.open("wb") as said:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    @property
    def console(self) -> Path:
        """What this boot writes to its console, and what qemu says."""
        return self.folder / f"console-{self.boots}"

    def said(self) -> str:
        """The end of that."""
        return self.console.read_text(errors="replace")[-2000:] if self.console.exists() else ""

    def cut(self) -> None:
        """Cut its power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            # The login ends by itself, since qemu was the other end; the next one must not meet it.
            (self.folder / "login").unlink(missing_ok=True)

    def run(self, script: str) -> str:
        """Run a shell script there; what it wrote. Fails the test when the script fails."""
        # One login for all of them: an emulated processor takes seconds for that.
        options = {
            "BatchMode": "yes", "ConnectTimeout": "60", "UserKnownHostsFile": str(self.folder / "known"),
            "ControlMaster": "auto", "ControlPersist": "600", "ControlPath": str(self.folder / "login"),
        }  # fmt: skip
        command = ["ssh", "-F", "none", "-i", str(self.folder / "id"), "-p", str(self.port)]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        command += ["root@127.0.0.1", script]
        # The process that keeps the login must not keep our pipes.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, timeout=300
            )
            said.seek(0)
            output = said.read()
        assert done.returncode == 0, f"{script}: {output}"
        return output

    def wait_up(self) -> None:
        """Wait until its charon answers."""
        process = self.process
        assert process is not None

        def ready() -> bool:
            try:
                return "loaded plugins" in self.run("swanctl --stats")
            except (AssertionError, subprocess.TimeoutExpired):
                return False

        up = until(lambda: process.poll() is not None or ready(), DEADLINE, poll=1)
        assert up and process.poll() is None, f"the machine does not boot: {self.said()}"


def build(lab: Lab, image: str, router: str, folder: Path) -> Machine:
    """A machine with a fresh disk, switched off."""
    engine = lab.engine
    install_missing(PACKAGES)
    root = folder / "root"
    root.mkdir()
    export(engine, _image(engine, image), root)
    host_key = ssh_keys(root, folder)
    (root / "etc/hostname").write_text(f"{router}\n")
    _initrd(root, folder)
    shutil.move(root / "machine/vmlinuz", folder / "vmlinuz")
    tool("mke2fs", "-q", "-t", "ext4", "-d", str(root), str(folder / "disk"), "900M")
    shutil.rmtree(root)
    [port] = free_ports(1)
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    return Machine(lab, router, folder, port, host_key)


def _image(engine: Engine, base: str) -> str:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for path in (HERE / "Dockerfile", *sorted((HERE / "guest").rglob("*"))):
            entry = archive.gettarinfo(path, str(path.relative_to(HERE)))
            entry.uid = entry.gid = entry.mtime = 0
            if path.is_file():
                archive.addfile(entry, io.BytesIO(path.read_bytes()))
            else:
                archive.addfile(entry)
    context.seek(0)
    with engine.connect() as client:
        events = list(
            client.build(
                fileobj=context,
                custom_context=True,
                tag=REFERENCE,
                buildargs={"BASE": base},
                network_mode="host",
                rm=True,
                forcerm=True,
                decode=True,
            )
        )
    said = "".join(str(event.get("stream", event.get("error", ""))) for event in events)
    assert not any("error" in event for event in events), said[-3000:]
    return REFERENCE


def _initrd(root: Path, folder: Path) -> None:
    """A busybox that mounts the disk."""
    there = folder / "early"
    for name in ("bin", "dev", "proc", "root", "modules"):
        (there / name).mkdir(parents=True)
    shutil.copy(root / "usr/bin/busybox", there / "bin/busybox")
    (there / "bin/sh").symlink_to("busybox")
    shutil.copy(HERE / "init.sh", there / "init")
    (there / "init").chmod(0o755)
    modules = next(root.glob("usr/lib/modules/*"))
    for name in DRIVERS:
        [module] = modules.rglob(f"{name}.ko")
        shutil.copy(module, there / "modules" / module.name)
    with (folder / "initrd").open("wb") as output:
        subprocess.run(
            ["sh", "-c", "find . -print0 | cpio -0 -o -H newc --quiet"], cwd=there, stdout=output, check=True
        )
