"""The image of this checkout, for an engine that can pull none.

Its last stage is that of deployments/docker/Dockerfile, word for word. The base below it is made by
debootstrap, and holds this virtual environment where the first stage would install one from a
package index; what the lock has for Debian's older Python 3.11 alone is installed beside it. The
servers of compose.yaml are in it, too: one debootstrap, which takes a minute, for all images.
Needs debootstrap, and Python 3.11. `import_debian` and `wheels_of_the_lock` are what the Dockerfile
itself is built from.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

import pytest

from deployments.bootstrap.prefect_yaml import PREFECT_YAML
from tests.support.operations.docker_engine import DockerEngine

IMAGE = "workflow-orchestrator:tests"
BASE = "base:tests"
DEBIAN = "debian:tests"
DEBOOTSTRAP = "/usr/sbin/debootstrap"

_ROOT = PREFECT_YAML.parent
_DOCKERFILE = _ROOT / "deployments" / "docker" / "Dockerfile"
_LAST_STAGE = "FROM ${BASE}\n"
_ITS_VENV = "COPY --from=dependencies /opt/venv /opt/venv\n"
_LOCK = _ROOT / "requirements.lock"
_PACKAGES = "python3,python3-venv,ca-certificates,postgresql,rabbitmq-server,redis-server,haproxy"
_LEFT_BY_ITS_OWN_START = (
    "./var/lib/rabbitmq/",
    "./var/lib/postgresql/15",
    "./etc/rabbitmq/rabbitmq.conf",
)


def build_image(engine: DockerEngine, cache: Path, tag: str = IMAGE, source: Path = _ROOT) -> None:
    """The engine has the image of this source. `cache` keeps Debian's part of it for the next
    time.
    """
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the image is made of this virtual environment, for Debian's Python 3.11")
    if not engine.docker("images", "--quiet", BASE):
        debian, packages = _debian(cache), _packages_of_its_python(cache)
        engine.docker("import", "-", BASE, feed=lambda stdin: _write_base(stdin, debian, packages))
    options = ("--network=none", f"--build-arg=BASE={BASE}", f"--tag={tag}")
    engine.docker(
        "build", "--quiet", *options, "-", feed=lambda stdin: _write_context(stdin, source)
    )


def import_debian(engine: DockerEngine, cache: Path) -> str:
    """The engine has a Debian with Python and its venv module: what a build may name as BASE."""
    debian = _debian(cache)

    def write(stdin: IO[bytes]) -> None:
        with _tar_of(debian, stdin):
            pass

    engine.docker("import", "-", DEBIAN, feed=write)
    return DEBIAN


def wheels_of_the_lock(cache: Path) -> Path:
    """A folder with every wheel that the lock names for Debian's Python 3.11."""

    def download(folder: Path) -> None:
        wanted = ("-r", _LOCK, "-r", _of_its_python(cache))
        _pip("download", "--only-binary", ":all:", "--dest", folder, *wanted)

    return _kept(cache, "wheels", _LOCK.read_text(), download)


def _debian(cache: Path) -> Path:
    """The root folder of a Debian with Python and the servers."""

    def install(folder: Path) -> None:
        options = ("--variant=minbase", f"--include={_PACKAGES}")
        subprocess.run(
            [DEBOOTSTRAP, *options, "bookworm", folder], check=True, stdout=subprocess.DEVNULL
        )

    return _kept(cache, "debian", _PACKAGES, install)


def _packages_of_its_python(cache: Path) -> Path:
    def install(folder: Path) -> None:
        _pip("install", "--target", folder, "-r", _of_its_python(cache))

    return _kept(cache, "older-python", _LOCK.read_text(), install)


def _kept(cache: Path, name: str, of: str, make: Callable[[Path], None]) -> Path:
    """The folder that was made of this text, now or another time; older ones of that name, which
    may have hundreds of megabytes, are gone.
    """
    kept = cache / f"{name}-{hashlib.sha256(of.encode()).hexdigest()[:12]}"
    if not kept.exists():
        for older in filter(Path.is_dir, cache.glob(f"{name}*")):
            shutil.rmtree(older)
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=cache) as folder:
            made = Path(folder) / "made"
            make(made)
            made.rename(kept)
    return kept


def _of_its_python(cache: Path) -> Path:
    """What the lock names for a Python before 3.11.3, which this one need not be."""
    [found] = re.findall(
        r"^(async-timeout==\S+).*?((?: \\\n +--hash=\S+)+)", _LOCK.read_text(), re.MULTILINE
    )
    wanted = cache / "older-python.txt"
    wanted.write_text("".join(found))
    return wanted


def _pip(command: str, *options: str | Path) -> None:
    always = ("--quiet", "--no-deps", "--require-hashes")
    subprocess.run([sys.executable, "-m", "pip", command, *always, *options], check=True)


def _write_base(stdin: IO[bytes], debian: Path, packages: Path) -> None:
    with _tar_of(debian, stdin) as tar:
        _add(tar, "opt/venv/pyvenv.cfg", "home = /usr/bin\n")
        for name in ("python", "python3"):
            link = tarfile.TarInfo(f"opt/venv/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "/usr/bin/python3"
            tar.addfile(link)
        prefect = Path(sys.executable).with_name("prefect").read_text()
        ours = re.sub("^#!.*", "#!/opt/venv/bin/python", prefect)
        _add(tar, "opt/venv/bin/prefect", ours, 0o755)
        installed = "opt/venv/lib/python3.11/site-packages"
        for package in packages.iterdir():
            tar.add(package, f"{installed}/{package.name}")
        tar.add(
            sysconfig.get_path("purelib"),
            installed,
            filter=lambda entry: None if "workflow_orchestrator" in entry.name else entry,
        )


@contextmanager
def _tar_of(debian: Path, stdin: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """An archive of it, open for more."""
    with tarfile.open(fileobj=stdin, mode="w|") as tar:
        tar.add(debian, ".", filter=_needed)
        yield tar


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """No caches, and nothing that a package's start on this machine has left."""
    left = entry.name.startswith(_LEFT_BY_ITS_OWN_START)
    return None if left or "/apt/" in entry.name or "/usr/share/doc/" in entry.name else entry


def _write_context(stdin: IO[bytes], source: Path) -> None:
    with tarfile.open(fileobj=stdin, mode="w|") as tar:
        _add(tar, "Dockerfile", _last_stage())
        for name in _copied():
            tar.add(source / name, name, filter=_without_bytecode)


def _without_bytecode(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """As .dockerignore has it."""
    return None if entry.name.endswith("__pycache__") else entry


def _last_stage() -> str:
    shipped = _DOCKERFILE.read_text()
    last = shipped[shipped.rindex(_LAST_STAGE) :]
    assert last.count(_ITS_VENV) == 1
    return f"ARG BASE\n{last.replace(_ITS_VENV, '')}"


def _copied() -> Iterator[str]:
    """What the Dockerfile takes from the checkout."""
    for words in re.findall("^COPY (.*)$", _last_stage(), re.MULTILINE):
        *names, _ = words.split()
        yield from names


def _add(tar: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), mode
    tar.addfile(entry, BytesIO(text.encode()))
