"""The settings, section by section; docs/deploy.md describes them, `default.yaml` has defaults."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from blocks.contracts.events.forms import SourceForm, TypeForm
from blocks.contracts.jobs import Job
from blocks.contracts.reading.limits import (
    AMOUNT_MAX,
    AtLeastOne,
    Count,
    Days,
    DaysOrZero,
    EmailOrNone,
    Hours,
    Seconds,
    SecondsOrZero,
    TokenOrNone,
)
from blocks.observability.redaction import masked_url
from blocks.settings.operations import Operations


class BadSetting(Exception):
    """A setting cannot be used; the message names it, what is wrong and the file or variable it
    came from.
    """


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


_DELAYS = r"^[0-9]{1,5}(\.[0-9]{1,3})?(,[0-9]{1,5}(\.[0-9]{1,3})?){0,19}$"
"""Up to twenty numbers of seconds, each less than 28 hours, separated by commas."""

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
PortOrNone = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Niceness = Annotated[int, msgspec.Meta(ge=0, le=19)]
Name = Annotated[str, msgspec.Meta(min_length=1)]
# Cosmos DB's rule: no / \ # ?, and no blank at the end.
DatabaseName = Annotated[str, msgspec.Meta(pattern=r"^[^/\\#?]{0,254}[^/\\#?\s]$")]
ContainerName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,255}$")]


class Note(msgspec.Struct, frozen=True):
    """What an operator should know about the configuration as it was read; never holds a value."""

    level: Literal["info", "warning"]
    text: str


class Module(_Section, frozen=True, kw_only=True):
    name: str
    version: str


class Server(_Section, frozen=True, kw_only=True):
    host: Name
    port: Port
    requests_per_minute: Count
    """Of one tenant, in one process; 0: no limit."""
    trusted_proxies: str
    allowed_origins: str
    connections_max: AtLeastOne
    connections_per_address: AtLeastOne
    head_seconds: Seconds
    body_seconds: Seconds
    public_url: str
    """Where people reach the API, for links to records; empty: no such links."""


class Auth(_Section, frozen=True, kw_only=True):
    """How callers of the API authenticate; `blocks.settings.auth` checks the combination."""

    mode: str
    default_roles: str
    failures_per_minute: AtLeastOne
    """Invalid credentials allowed from one address; after that, its new API keys are not looked up.
    """
    jwt_secret: str
    jwt_jwks: str
    jwt_algorithms: str
    jwt_issuer: Name
    jwt_audience: str
    jwt_user_claims: str
    """The first of these claims that a token has is its user's id."""
    jwt_user_aliases: str
    """Claims that are further names of the same user."""
    trust_decided_by: bool
    """Whether a name that only the body states, behind a gateway, counts as that user's."""

    def __repr__(self) -> str:
        return (
            f"Auth(mode={self.mode!r}, jwt_secret='***', jwt_jwks={without_query(self.jwt_jwks)!r})"
        )


class Live(_Section, frozen=True, kw_only=True):
    """The stream of events to tenants; docs/live.md."""

    clients_max: AtLeastOne
    clients_per_tenant: AtLeastOne
    kept_megabytes: AtLeastOne
    kept_seconds: Seconds
    overlap_seconds: Seconds
    heartbeat_seconds: Seconds
    frozen_seconds: Seconds


class Metrics(_Section, frozen=True, kw_only=True):
    """Who may read them, and where each process serves them; the tenants' port only if set so."""

    bearer_token: str
    host: str
    path: str
    """On the tenants' port."""
    on_api_port: bool
    api_port: PortOrNone
    listener_port: PortOrNone
    worker_port: PortOrNone

    def __repr__(self) -> str:
        ports = (
            f"api_port={self.api_port}, listener_port={self.listener_port}, "
            f"worker_port={self.worker_port}"
        )
        return f"Metrics(bearer_token='***', host={self.host!r}, {ports})"


class Containers(_Section, frozen=True, kw_only=True):
    """What each container is called in the account."""

    workflows: ContainerName
    executions: ContainerName
    steps: ContainerName
    hitl_approvals: ContainerName
    dead_letters: ContainerName
    audit: ContainerName
    claims: ContainerName


class CosmosDb(_Section, frozen=True, kw_only=True):
    endpoint: str
    credential: Literal["key", "identity"]
    key: str
    database_id: DatabaseName
    ca_file: str
    containers: Containers

    def __repr__(self) -> str:
        return f"CosmosDb(endpoint={self.endpoint!r}, key='***', database_id={self.database_id!r})"


class RabbitMQ(_Section, frozen=True, kw_only=True):
    url: str
    exchange: Name
    queue: Name
    batch_jobs_queue: Name
    cais_batch_jobs_queue: Name
    webhooks_queue: Name
    management_url: str
    prefetch: AtLeastOne

    def __repr__(self) -> str:
        return (
            f"RabbitMQ(url={masked_url(self.url)!r}, exchange={self.exchange!r}, "
            f"queue={self.queue!r})"
        )


class Neighbour(_Section, frozen=True, kw_only=True):
    url: str
    """Base URL; empty: it is not asked how it is."""


class Services(_Section, frozen=True, kw_only=True):
    """Services of the platform, which work for us over the bus: only their health is asked for."""

    auth: Neighbour
    logging: Neighbour
    user_management: Neighbour
    integration_manager: Neighbour
    risk_analytics: Neighbour
    ml_service: Neighbour
    forecasting: Neighbour
    recommendations: Neighbour
    adaptive_learning: Neighbour

    def urls(self) -> dict[str, str]:
        """The URLs that are set, by the service's name."""
        named = {name: getattr(self, name).url for name in self.__struct_fields__}
        return {name: url for name, url in named.items() if url}


class Events(_Section, frozen=True, kw_only=True):
    """The form in which events are published; docs/events.md."""

    source_form: SourceForm
    type_form: TypeForm


class Prefect(_Section, frozen=True, kw_only=True):
    api_url: str
    ui_url: str
    """Where people reach Prefect's UI; empty: derived from `api_url`, as Prefect does."""
    ui_port: Port
    work_pool: Name
    notification_block: Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9-]+/[a-z0-9-]+)?$")]
    """`type/name` of the Prefect block through which automations notify; empty: none."""


class Analysis(_Section, frozen=True, kw_only=True):
    step_timeout_seconds: Seconds
    overdue_after_seconds: Seconds
    """Past its deadline: an execution that still runs then is reported."""
    end_overdue_after_seconds: Seconds
    """Past its deadline: the reconciler ends it then."""


class Dispatch(_Section, frozen=True, kw_only=True):
    batch_max: AtLeastOne
    runs_in_flight_max: AtLeastOne
    open_seconds: SecondsOrZero
    """So long a flow run with nothing left to do waits for further executions; 0: none may join."""
    sweep_seconds: Seconds


class Reconciler(_Section, frozen=True, kw_only=True):
    interval_seconds: Seconds
    lease_seconds: Seconds


class Worker(_Section, frozen=True, kw_only=True):
    heartbeat_seconds: Seconds
    lost_after_seconds: Seconds
    drain_seconds: Seconds
    memory_max_megabytes: Count
    """Resident memory from which on the worker drains and ends, to be restarted; 0: no limit."""
    niceness: Niceness
    """As nice(1) counts: how much it leaves the processor to the other processes of its machine."""


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


class DockerRuns(_Section, frozen=True, kw_only=True):
    """Which batch jobs and operations run in containers of their own; docs/docker-runs.md."""

    scheduled: str
    """Those whose schedule starts a container, separated by commas; empty: none."""
    image: Name
    """`name:tag`, or `name@sha256:…`, which is the same image for ever."""
    networks: str
    """Of the containers, separated by commas; `host`: the worker's own."""
    volumes: str
    """Of the containers, `VOLUME:PATH` or `/FOLDER:/PATH`, separated by commas."""

    @property
    def scheduled_names(self) -> list[str]:
        return _words(self.scheduled)

    @property
    def network_names(self) -> list[str]:
        return _words(self.networks)

    @property
    def mounts(self) -> list[str]:
        return _words(self.volumes)


class Startup(_Section, frozen=True, kw_only=True):
    wait_seconds: Seconds


class Approvals(_Section, frozen=True, kw_only=True):
    link_secret: str
    trust_prefect_ui: bool
    """Whether a name typed into Prefect's form is trusted: Prefect's UI authenticates no one."""

    def __repr__(self) -> str:
        return f"Approvals(link_secret='***', trust_prefect_ui={self.trust_prefect_ui})"


class Pages(_Section, frozen=True, kw_only=True):
    """The pages for people in a browser."""

    session_secret: str
    """Encrypts sessions; empty: each process has a secret of its own."""
    session_hours: Hours

    def __repr__(self) -> str:
        return f"Pages(session_secret='***', session_hours={self.session_hours})"


class Webhooks(_Section, frozen=True, kw_only=True):
    allowed_hosts: str
    timeout_seconds: Seconds
    retry_delays_seconds: Annotated[str, msgspec.Meta(pattern=_DELAYS)]
    """Between the attempts of a delivery, one after the other; one attempt more than there are
    delays.
    """


class Executions(_Section, frozen=True, kw_only=True):
    kept_days: DaysOrZero
    """From the announcement of their end on; 0: for ever."""


class DeadLetters(_Section, frozen=True, kw_only=True):
    kept_days: Days


class Notifications(_Section, frozen=True, kw_only=True):
    """How people are notified of what the platform's own workflows found; docs/notifications.md."""

    comms_hub_url: str
    """Base URL of the platform's communications hub; empty: none."""
    smtp_url: str
    """`smtp://user:password@host:587` (STARTTLS) or `smtps://…:465`, for mail where there is no hub
    or it fails; empty: none.
    """
    sender: EmailOrNone
    """Of mail over SMTP."""
    recipient: EmailOrNone
    """Of what is for the platform's operators."""
    repeat_hours: Hours
    """A problem that stands is notified of again after this."""

    def __repr__(self) -> str:
        return f"Notifications(smtp_url={masked_url(self.smtp_url)!r})"


class Tracing(_Section, frozen=True, kw_only=True):
    otlp_endpoint: str
    """Base URL of an OpenTelemetry collector; empty: nothing is traced."""


class Claims(_Section, frozen=True, kw_only=True):
    """Claim recovery; docs/claim-recovery.md."""

    tenant: str
    """Whose the calls without a credential are; empty: there are none."""
    internal_address: str
    """`HOST:PORT` on which the phase routes take calls without a credential; empty: none."""
    trust_user_of_sockets: bool
    """On the internal address, a Socket.IO client is the user that it says it is."""
    integrations_url: str
    python_api_url: str
    sync_url: str
    detection_url: str
    matching_url: str
    submission_url: str
    rejections_url: str
    payments_url: str
    services_token: TokenOrNone
    """Sent to each of them as `Authorization: Bearer`; empty: none."""
    call_seconds: Seconds
    """So long one call of a service may take."""
    sync_seconds: Seconds
    """So long the call that syncs a seller's data may take."""
    fee_percent: Annotated[
        str, msgspec.Meta(pattern=r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)$")
    ]
    confidence_auto: Annotated[float, msgspec.Meta(ge=0, le=1)]
    confidence_prompt: Annotated[float, msgspec.Meta(ge=0, le=1)]
    auto_submit: bool
    smart_prompts: bool
    prompt_hours: Hours
    sandbox: bool
    packets_url: str
    """Where proof packets lie: a folder (a relative one lies in `data_dir`), or what fsspec opens:
    `s3://bucket/prefix`, `abfs://container@account.dfs.core.windows.net/prefix`.
    """
    log_kept_days: Days

    def __repr__(self) -> str:
        return f"Claims(tenant={self.tenant!r}, internal_address={self.internal_address!r})"


class FeatureFlags(_Section, frozen=True, kw_only=True):
    hitl_approvals: bool


class Thresholds(_Section, frozen=True, kw_only=True):
    hitl_risk_min: Annotated[float, msgspec.Meta(ge=0, le=1)]
    hitl_deal_min: Annotated[float, msgspec.Meta(ge=0, le=AMOUNT_MAX)]


class Simulators(_Section, frozen=True, kw_only=True):
    min_delay_seconds: SecondsOrZero
    max_delay_seconds: SecondsOrZero
    claims_host: str
    claims_port: PortOrNone
    """Where the simulated claim services answer; 0: nowhere."""


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
    services: Services
    events: Events
    prefect: Prefect
    analysis: Analysis
    dispatch: Dispatch
    reconciler: Reconciler
    worker: Worker
    startup: Startup
    batch_jobs: BatchJobs
    docker_runs: DockerRuns
    operations: Operations
    approvals: Approvals
    pages: Pages
    webhooks: Webhooks
    executions: Executions
    dead_letters: DeadLetters
    claims: Claims
    notifications: Notifications
    tracing: Tracing
    feature_flags: FeatureFlags
    thresholds: Thresholds
    simulators: Simulators
    notes: tuple[Note, ...] = ()
    """Of the configuration file; no setting."""

    def embedded_file(self, url: str) -> Path | None:
        """The file of a `sqlite:` URL (a relative path lies in `data_dir`), or None for any other
        URL.
        """
        if not url.startswith("sqlite:"):
            return None
        return (Path(self.data_dir) / url.removeprefix("sqlite:").removeprefix("//")).absolute()


def without_query(url: str) -> str:
    """The address alone, fit for logs: a query may hold a token."""
    return url.partition("?")[0]


def _words(listed: str) -> list[str]:
    return [word.strip() for word in listed.split(",") if word.strip()]
