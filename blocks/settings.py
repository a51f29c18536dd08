"""Settings: one YAML file of defaults, a file laid over it, `${NAME:-default}` filled from the environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from blocks.block_variables import BlockMissing, variables_of_blocks
from blocks.contracts.jobs import JOBS, Job
from blocks.signed_links import SECRET_LENGTH_MIN as LINK_SECRET_LENGTH_MIN

DEFAULTS = Path(__file__).with_name("config") / "default.yaml"


class BadSetting(Exception):
    """A setting cannot be used; the message names it, what is wrong and the file or variable it came from."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


Seconds = Annotated[float, msgspec.Meta(gt=0)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
PortOrNone = Annotated[int, msgspec.Meta(ge=0, le=65535)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
ZeroOrMore = Annotated[int, msgspec.Meta(ge=0)]


class Module(_Section, frozen=True, kw_only=True):
    name: str
    version: str


class Server(_Section, frozen=True, kw_only=True):
    host: str
    port: Port
    requests_per_minute: ZeroOrMore
    """Of one tenant, in one process; 0: no limit."""
    trusted_proxies: str
    allowed_origins: str


class Auth(_Section, frozen=True, kw_only=True):
    """How callers of the API show who they are; `blocks.auth_settings` says which values go together."""

    mode: str
    default_roles: str
    failures_per_minute: AtLeastOne
    """Credentials from one address that may be invalid; from then on, new API keys from it are not looked up."""
    jwt_secret: str
    jwt_jwks: str
    jwt_algorithms: str
    jwt_issuer: str
    jwt_audience: str

    def __repr__(self) -> str:
        return f"Auth(mode={self.mode!r}, jwt_secret='***', jwt_jwks={self.jwt_jwks!r})"


class Live(_Section, frozen=True, kw_only=True):
    """The stream of events to tenants; docs/live.md."""

    clients_max: AtLeastOne
    clients_per_tenant: AtLeastOne
    kept_megabytes: AtLeastOne
    overlap_seconds: Seconds
    heartbeat_seconds: Seconds
    frozen_seconds: Seconds


class Metrics(_Section, frozen=True, kw_only=True):
    """Who may read them, and where the listener and the worker answer; the API answers on its own port."""

    bearer_token: str
    host: str
    listener_port: PortOrNone
    worker_port: PortOrNone

    def __repr__(self) -> str:
        ports = f"listener_port={self.listener_port}, worker_port={self.worker_port}"
        return f"Metrics(bearer_token='***', host={self.host!r}, {ports})"


class CosmosDb(_Section, frozen=True, kw_only=True):
    endpoint: str
    key: str
    database_id: str
    ca_file: str

    def __repr__(self) -> str:
        return f"CosmosDb(endpoint={self.endpoint!r}, key='***', database_id={self.database_id!r})"


class RabbitMQ(_Section, frozen=True, kw_only=True):
    url: str
    exchange: str
    queue: str
    batch_jobs_queue: str
    webhooks_queue: str
    management_url: str
    prefetch: AtLeastOne

    def __repr__(self) -> str:
        return f"RabbitMQ(url={masked_url(self.url)!r}, exchange={self.exchange!r}, queue={self.queue!r})"


class Prefect(_Section, frozen=True, kw_only=True):
    api_url: str
    ui_port: Port
    work_pool: str


class Analysis(_Section, frozen=True, kw_only=True):
    step_timeout_seconds: Seconds


class Dispatch(_Section, frozen=True, kw_only=True):
    batch_max: AtLeastOne
    runs_in_flight_max: AtLeastOne
    late_start_seconds: Seconds
    sweep_seconds: Seconds


class Mirror(_Section, frozen=True, kw_only=True):
    interval_seconds: Seconds
    lease_seconds: Seconds


class Worker(_Section, frozen=True, kw_only=True):
    heartbeat_seconds: Seconds
    lost_after_seconds: Seconds
    drain_seconds: Seconds


class BatchJobs(_Section, frozen=True, kw_only=True):
    enabled: bool
    timezone: str
    late_after_seconds: Seconds
    risk_snapshot_backfill_cron: str
    outcome_sync_cron: str
    industry_benchmarks_cron: str
    risk_clustering_cron: str
    account_health_cron: str
    propagation_cron: str
    model_monitoring_cron: str
    cais_learning_cron: str
    cais_learning_enabled: bool

    def cron_of(self, job: Job) -> str:
        cron: str = getattr(self, job.setting)
        return cron

    def is_active(self, job: Job) -> bool:
        """Whether the scheduler triggers this job; by hand, every job can be triggered."""
        return self.enabled and (job.active or self.cais_learning_enabled)


class Startup(_Section, frozen=True, kw_only=True):
    wait_seconds: Seconds


class Approvals(_Section, frozen=True, kw_only=True):
    link_secret: str

    def __repr__(self) -> str:
        return "Approvals(link_secret='***')"


class Webhooks(_Section, frozen=True, kw_only=True):
    allowed_hosts: str
    timeout_seconds: Seconds
    retry_delay_seconds: Seconds


class DeadLetters(_Section, frozen=True, kw_only=True):
    kept_days: Annotated[float, msgspec.Meta(gt=0)]


class Tracing(_Section, frozen=True, kw_only=True):
    otlp_endpoint: str
    """Base URL of an OpenTelemetry collector; empty: nothing is traced."""


class FeatureFlags(_Section, frozen=True, kw_only=True):
    hitl_approvals: bool


class Thresholds(_Section, frozen=True, kw_only=True):
    hitl_risk_min: Annotated[float, msgspec.Meta(ge=0, le=1)]
    hitl_deal_min: Annotated[float, msgspec.Meta(ge=0)]


class Simulators(_Section, frozen=True, kw_only=True):
    min_delay_seconds: Annotated[float, msgspec.Meta(ge=0)]
    max_delay_seconds: Annotated[float, msgspec.Meta(ge=0)]


class Settings(_Section, frozen=True, kw_only=True):
    """All settings of all processes; each part takes the section it needs."""

    data_dir: str
    log_level: str
    log_format: Literal["text", "json"]
    module: Module
    server: Server
    auth: Auth
    live: Live
    metrics: Metrics
    cosmos_db: CosmosDb
    rabbitmq: RabbitMQ
    prefect: Prefect
    analysis: Analysis
    dispatch: Dispatch
    mirror: Mirror
    worker: Worker
    startup: Startup
    batch_jobs: BatchJobs
    approvals: Approvals
    webhooks: Webhooks
    dead_letters: DeadLetters
    tracing: Tracing
    feature_flags: FeatureFlags
    thresholds: Thresholds
    simulators: Simulators

    def embedded_file(self, url: str) -> Path | None:
        """The file of a `sqlite:` URL (a relative path lies in `data_dir`), or None for any other URL."""
        if not url.startswith("sqlite:"):
            return None
        return (Path(self.data_dir) / url.removeprefix("sqlite:").removeprefix("//")).absolute()


def load_settings(environment: Mapping[str, str] = os.environ, *, blocks_may_be_missing: bool = False) -> Settings:
    """The settings of this process: its variables, then Prefect's blocks if it is to read them, then the defaults.

    Raises `BadSetting` with one readable line, and `Unavailable` when there are blocks to read and Prefect is away.
    """
    environment = _with_blocks(environment, blocks_may_be_missing)
    tree = _read(DEFAULTS, environment)
    override = environment.get("ORCHESTRATOR_CONFIG")
    if override:
        tree = _laid_over(tree, _read(Path(override), environment))
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(_explain(str(error), tree)) from None
    _check(settings)
    return settings


def masked_url(url: str) -> str:
    """The URL without its password, fit for logs."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _with_blocks(environment: Mapping[str, str], may_be_missing: bool) -> Mapping[str, str]:
    try:
        said = variables_of_blocks(environment, may_be_missing=may_be_missing)
    except BlockMissing as error:
        raise BadSetting(str(error)) from None
    # A variable that is set to nothing is as good as unset, as everywhere.
    return {**said, **{name: value for name, value in environment.items() if value or name not in said}}


def _read(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BadSetting(f"the configuration file {path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise BadSetting(f"the configuration file {path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise BadSetting(f"the configuration file {path} must hold a mapping of sections")
    return {key: _filled(value, environment) for key, value in tree.items()}


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, environment) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: environment.get(m[1]) or m[2] or "", value)


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both_sections = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _laid_over(below[key], value) if both_sections else value
    return merged


def _explain(error: str, tree: dict[str, Any]) -> str:
    """msgspec's `Expected … - at `$.server.port`` as: setting server.port is 'x': expected …"""
    match = re.search(r"(.*) - at `\$\.?([\w.]*)`", error)
    if not match:
        return error
    value: Any = tree
    for key in match[2].split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, dict):  # a whole section, with the secrets in it
        return f"setting {match[2]}: {match[1][0].lower()}{match[1][1:]}"
    shown = "***" if match[2].endswith(("key", "url", "secret", "token")) else repr(value)
    return f"setting {match[2] or '(top level)'} is {shown}: {match[1][0].lower()}{match[1][1:]}"


def _check(settings: Settings) -> None:
    if not settings.rabbitmq.url.startswith(("sqlite:", "amqp://", "amqps://")):
        raise BadSetting("setting rabbitmq.url (RABBITMQ_URL) must begin with amqp://, amqps:// or sqlite:")
    if not settings.cosmos_db.endpoint.startswith(("sqlite:", "https://", "http://")):
        raise BadSetting("setting cosmos_db.endpoint (COSMOS_DB_ENDPOINT) must begin with https:// or sqlite:")
    if settings.cosmos_db.endpoint.startswith("http") and not settings.cosmos_db.key:
        raise BadSetting("setting cosmos_db.key (COSMOS_DB_KEY) is empty: Cosmos DB needs its account key")
    if 0 < len(settings.approvals.link_secret) < LINK_SECRET_LENGTH_MIN:
        raise BadSetting(
            "setting approvals.link_secret (APPROVAL_LINK_SECRET) is too short: "
            f"use {LINK_SECRET_LENGTH_MIN} or more random characters"
        )
    if settings.simulators.min_delay_seconds > settings.simulators.max_delay_seconds:
        raise BadSetting("setting simulators.min_delay_seconds must not be above simulators.max_delay_seconds")
    if settings.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadSetting(f"setting log_level (LOG_LEVEL) is {settings.log_level!r}: use DEBUG, INFO, WARNING or ERROR")
    _check_server(settings.server)
    _check_auth(settings.auth)
    _check_schedules(settings.batch_jobs)


def _check_server(server: Server) -> None:
    from blocks.server_settings import problem_of

    if problem := problem_of(server):
        raise BadSetting(problem)


def _check_auth(auth: Auth) -> None:
    from blocks.auth_settings import problem_of

    if problem := problem_of(auth):
        raise BadSetting(problem)


def _check_schedules(batch_jobs: BatchJobs) -> None:
    from blocks.cron import check_cron, check_timezone

    try:
        check_timezone(batch_jobs.timezone)
    except ValueError as error:
        raise BadSetting(
            f"setting batch_jobs.timezone (BATCH_JOBS_TIMEZONE) is {batch_jobs.timezone!r}: {error}"
        ) from None
    for job in JOBS:
        cron = batch_jobs.cron_of(job)
        try:
            check_cron(cron)
        except ValueError as error:
            raise BadSetting(f"setting batch_jobs.{job.setting} ({job.variable}) is {cron!r}: {error}") from None
