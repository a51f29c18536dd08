"""The deployments named in prefect.yaml, typed."""

from pathlib import Path

import msgspec

from blocks.schedules.cron import check_cron, check_timezone
from blocks.settings import BadSetting
from blocks.settings.yaml_text import parsed

_INSTALLED = Path(__file__).with_name("prefect.yaml")

PREFECT_YAML = _INSTALLED if _INSTALLED.exists() else Path(__file__).parents[2] / "prefect.yaml"
"""In a wheel beside this module; in a checkout at its root, where `prefect deploy` looks."""

POOL_OF_THE_SETTINGS = "{{ $PREFECT_WORK_POOL }}"
"""In a pool's name in prefect.yaml; the setting `prefect.work_pool` takes its place."""

_DOCKER = "-docker"


class _Stanza(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class WorkPool(_Stanza, frozen=True, kw_only=True):
    name: str
    job_variables: dict[str, object] = {}


class Schedule(_Stanza, frozen=True, kw_only=True):
    """A cron line; `slug` names the schedule, so that a later version of it replaces this one."""

    cron: str
    slug: str
    timezone: str = "UTC"
    active: bool = True
    parameters: dict[str, object] = {}


class Deployment(_Stanza, frozen=True, kw_only=True):
    """One stanza. The entrypoint is a module path; the flow behind it brings its own name."""

    name: str
    entrypoint: str
    description: str
    work_pool: WorkPool
    tags: list[str] = []
    parameters: dict[str, object] = {}
    schedules: list[Schedule] = []
    paused: bool | None = None
    concurrency_limit: int | None = None

    @property
    def is_docker(self) -> bool:
        """Whether it is the second deployment of its flow, whose runs are containers."""
        return self.work_pool.name == docker_pool(POOL_OF_THE_SETTINGS)

    @property
    def twin(self) -> str:
        """The name under which a job or an operation is deployed first."""
        return self.name.removesuffix(_DOCKER) if self.is_docker else self.name

    def pool(self, work_pool: str) -> str:
        """The name of its pool, where `work_pool` is that of the settings."""
        return self.work_pool.name.replace(POOL_OF_THE_SETTINGS, work_pool)


def docker_pool(work_pool: str) -> str:
    """The name of the Docker work pool beside this one."""
    return f"{work_pool}{_DOCKER}"


class _File(msgspec.Struct, frozen=True, kw_only=True):
    deployments: list[Deployment]


def read_deployments(path: Path = PREFECT_YAML) -> list[Deployment]:
    """Every deployment of the file, in its order. Raises `BadSetting` with one readable line."""
    deployments = _decoded(path)
    for deployment in deployments:
        for schedule in deployment.schedules:
            _check(
                schedule,
                f"the deployments file {path}: schedule {schedule.slug!r} of {deployment.name!r}",
            )
    return deployments


def _check(schedule: Schedule, where: str) -> None:
    for value, check in ((schedule.cron, check_cron), (schedule.timezone, check_timezone)):
        try:
            check(value)
        except ValueError as error:
            raise BadSetting(f"{where} is {value!r}: {error}") from None


def _decoded(path: Path) -> list[Deployment]:
    name = f"the deployments file {path}"
    try:
        return msgspec.convert(parsed(path.read_bytes(), name), _File).deployments
    except OSError as error:
        raise BadSetting(f"{name} cannot be read: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise BadSetting(f"{name}: {error}") from None
