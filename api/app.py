"""The whole API: its routes, their dependencies, and its error handling."""

from litestar import Litestar, Router
from litestar.di import Provide

from api.access.actor import provide_actor
from api.access.authentication import authentication, identification
from api.access.limits.failures import Failures
from api.access.limits.rate_limit import rate_limit
from api.access.permissions import check_role
from api.access.sessions import PageSessions, SessionKeys
from api.access.tenancy import provide_tenant_id
from api.approvals.routes import approval_routes
from api.audit.middleware import Auditing
from api.audit.routes import list_audit_entries
from api.claims.evidence.packet_download import packet_download
from api.claims.evidence.packets import packet_routes
from api.claims.evidence.prompts import prompt_routes
from api.claims.routers import claim_routes
from api.cors import cors_config
from api.dead_letters.routes import dead_letter_routes
from api.definitions.routes import (
    change_definition,
    read_definition,
    reset_definition,
    set_definition,
)
from api.dispatch.routes import change_dispatch, read_dispatch, reset_tenant_share, set_tenant_share
from api.documentation.bounds import BoundedStructs
from api.documentation.exported import yaml_routes
from api.documentation.openapi import openapi_config
from api.documentation.page import browser_routes
from api.executions.actions import (
    cancel_execution,
    rerun_execution,
    retry_execution,
    start_execution,
)
from api.executions.listing import list_executions, read_execution
from api.executions.workflow_routes import workflow_routes
from api.health import routes as health
from api.health.metrics import metrics_routes
from api.http.bodies import CheckedRequest
from api.http.etags import ConditionalReads
from api.http.head import HeadAsGet
from api.http.observer import RequestObserver
from api.http.options import AllowEveryMethod
from api.http.parameters import Bound, refuse_strange_parameters
from api.http.spans import tracing_plugins
from api.idempotency import idempotent
from api.jobs.metrics import JobMetrics
from api.jobs.routes import list_jobs, trigger_job
from api.keys.routes import create_key, list_keys, read_key, revoke_key
from api.live.handshake import Handshake
from api.live.hub import Hub
from api.live.socket import follow_executions
from api.live.stream import stream_executions
from api.operations.routers import operation_routes
from api.pages.approvals.link import LINK_PAGES
from api.pages.errors import answer
from api.pages.rendering import template_config
from api.pages.routes import page_routes
from api.sockets.endpoint import Sockets
from api.sockets.metrics import connected_clients
from api.sockets.path import AtItsPath
from api.stand_ins.routes import (
    create_stand_in,
    list_stand_ins,
    read_stand_in,
    remove_stand_in,
)
from api.usage.routes import read_usage
from api.webhooks.routes import (
    add_webhook,
    change_webhook,
    list_webhooks,
    read_webhook,
    remove_webhook,
)
from blocks.claims.packets import packet_files
from blocks.contracts.envelope import MAX_EVENT_BYTES
from blocks.observability.metrics.exposition import Exposition
from blocks.ports import EventBus, FlowRuns, RecordStore
from blocks.processes.neighbour_health import Neighbours
from blocks.processes.readiness import Probes
from blocks.settings import Settings
from blocks.settings.server import origins_of
from blocks.webhooks.outgoing_http import HostRules


def create_app(
    settings: Settings,
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    *,
    probes: Probes,
    failures: Failures | None = None,
    hub: Hub | None = None,
    sockets: Sockets | None = None,
    exposition: Exposition | None = None,
) -> Litestar:
    """The application over an open store, bus and engine, which must outlive it.

    `/ready` asks the probes. The live view streams what the hub receives; without a hub it is
    empty, and without `sockets` there is no Socket.IO.
    """
    identify = identification(settings.auth, store)
    session_keys = SessionKeys.of(settings)
    failures = failures or Failures(settings.auth.failures_per_minute)
    auditing = Auditing(store, settings.approvals.link_secret)
    tenant_routes = Router(
        "/api/v1",
        route_handlers=[
            list_executions,
            stream_executions,
            follow_executions,
            read_execution,
            idempotent(store, start_execution, cancel_execution, retry_execution, rerun_execution),
            workflow_routes(store),
            claim_routes(store),
            list_jobs,
            idempotent(store, trigger_job),
            read_dispatch,
            change_dispatch,
            set_tenant_share,
            reset_tenant_share,
            list_webhooks,
            read_webhook,
            idempotent(store, add_webhook),
            change_webhook,
            remove_webhook,
            read_definition,
            set_definition,
            change_definition,
            reset_definition,
            read_usage,
            list_keys,
            read_key,
            create_key,
            revoke_key,
            list_audit_entries,
            list_stand_ins,
            read_stand_in,
            idempotent(store, create_stand_in),
            remove_stand_in,
            prompt_routes(store),
        ],
        dependencies={"tenant_id": Provide(provide_tenant_id), "actor": Provide(provide_actor)},
    )
    app = Litestar(
        [
            health.read_health,
            health.read_readiness,
            *browser_routes(),
            *yaml_routes(),
            *metrics_routes(settings.metrics),
            tenant_routes,
            operation_routes(store),
            dead_letter_routes(store),
            *approval_routes(store, LINK_PAGES),
            packet_routes(store),
            packet_download,
            *page_routes(settings, session_keys),
        ],
        dependencies={
            "store": Provide(auditing.provide_store),
            "bus": _given(bus),
            "flow_runs": _given(flow_runs),
            "host_rules": _given(HostRules.of(settings.webhooks.allowed_hosts)),
            "probes": _given(probes),
            "neighbours": _given(Neighbours(settings.services)),
            "hub": _given(hub or Hub(settings.live)),
            "identify": _given(identify),
            "failures": _given(failures),
            "metrics_token": _given(settings.metrics.bearer_token),
            "link_secret": _given(settings.approvals.link_secret),
            "settings": _given(settings),
            "packet_files": _given(packet_files(settings)),
            "schedules": _given(settings.batch_jobs),
            "exposition": _given(exposition or Exposition(JobMetrics(store).text)),
            "service": _given(settings.module.name),
        },
        middleware=[
            AllowEveryMethod(),
            PageSessions(settings, session_keys),
            authentication(identify, failures),
            *rate_limit(settings.server.requests_per_minute),
            auditing,
            ConditionalReads(),
        ],
        cors_config=cors_config(origins_of(settings.server)),
        guards=[check_role, refuse_strange_parameters],
        type_decoders=[(lambda kind: kind is Bound, lambda _, value: Bound.read(value))],
        plugins=[*tracing_plugins(), BoundedStructs()],
        exception_handlers={Exception: answer},
        template_config=template_config(),
        request_class=CheckedRequest,
        request_max_body_size=MAX_EVENT_BYTES,
        openapi_config=openapi_config(settings.module),
        # The process that starts us configures logging.
        logging_config=None,
        debug=False,
    )
    app.state["connected_clients"] = connected_clients
    app.asgi_handler = AtItsPath(
        sockets, RequestObserver(HeadAsGet(Handshake(app.asgi_handler, settings.server)))
    )
    return app


def _given(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
