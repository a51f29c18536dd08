"""URLs of the settings: what is wrong with one, in words that show no part of it, for it may hold a
password.

Only URLs that are masked wherever they are shown may hold one: the broker's and its management's,
Prefect's, the mail server's and those of databases. Logs, `doctor` and Prefect's blocks show the
others, and names, as they are: with a credential in them, they are refused.
"""

import re
from urllib.parse import SplitResult, urlsplit

from blocks.settings.operations.pages import pages_of
from blocks.settings.sections import BadSetting, Settings

_ENCODED = "write @ as %40, # as %23, / as %2F, ? as %3F, : as %3A and % as %25"

_NOT_IN_A_URL = re.compile(r"[\s\x00-\x1f\x7f]")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
_LOOSE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def problem_of(settings: Settings) -> str | None:
    """The first setting that is no usable URL, with what to write instead; None: all are."""
    cosmos, rabbitmq = settings.cosmos_db, settings.rabbitmq
    urls = (
        ("rabbitmq.url (RABBITMQ_URL)", rabbitmq.url, ("amqp", "amqps", "sqlite")),
        (
            "rabbitmq.management_url (RABBITMQ_MANAGEMENT_URL)",
            rabbitmq.management_url,
            ("http", "https"),
        ),
        ("cosmos_db.endpoint (COSMOS_DB_ENDPOINT)", cosmos.endpoint, ("https", "http", "sqlite")),
        (
            "operations.redis_url (REDIS_URL)",
            settings.operations.redis_url,
            ("redis", "rediss"),
        ),
        ("prefect.api_url (PREFECT_API_URL)", settings.prefect.api_url, ("http", "https")),
        ("prefect.ui_url (PREFECT_UI_URL)", settings.prefect.ui_url, ("http", "https")),
        ("server.public_url (PUBLIC_URL)", settings.server.public_url, ("http", "https")),
        (
            "notifications.comms_hub_url (COMMS_HUB_URL)",
            settings.notifications.comms_hub_url,
            ("http", "https"),
        ),
        ("notifications.smtp_url (SMTP_URL)", settings.notifications.smtp_url, ("smtp", "smtps")),
        (
            "tracing.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)",
            settings.tracing.otlp_endpoint,
            ("http", "https"),
        ),
    )
    neighbours = tuple(
        (f"services.{name}.url ({name.upper()}_URL)", url, ("http", "https"))
        for name, url in settings.services.urls().items()
    )
    services = _claim_urls(settings) | _operation_urls(settings)
    others = tuple(
        (name, url, ("http", "https")) for name, url in (*services.items(), *_pages(settings))
    )
    for name, url, schemes in (*urls, *neighbours, *others):
        problem = url_problem(url, schemes) if url or "sqlite" in schemes else None
        if problem:
            return f"setting {name} {problem}"
    for name, (url, names) in _operation_templates(settings).items():
        if problem := template_problem(url, names):
            return f"setting {name} {problem}"
    return _problem_of_what_is_shown(settings)


def _problem_of_what_is_shown(settings: Settings) -> str | None:
    cosmos, rabbitmq = settings.cosmos_db, settings.rabbitmq
    problems = {
        "cosmos_db.endpoint (COSMOS_DB_ENDPOINT)": shown_url_problem(
            cosmos.endpoint, "the account's key goes into COSMOS_DB_KEY"
        ),
        "tracing.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)": shown_url_problem(
            settings.tracing.otlp_endpoint,
            "a collector's credentials go into OTEL_EXPORTER_OTLP_HEADERS",
        ),
        "prefect.ui_url (PREFECT_UI_URL)": shown_url_problem(
            settings.prefect.ui_url, "links to it are for people, who sign in themselves"
        ),
        "server.public_url (PUBLIC_URL)": shown_url_problem(
            settings.server.public_url, "links to it are for people, who sign in themselves"
        ),
        "notifications.comms_hub_url (COMMS_HUB_URL)": shown_url_problem(
            settings.notifications.comms_hub_url, "the communications hub takes no credentials"
        ),
        "auth.jwt_jwks (JWT_JWKS)": key_set_problem(settings.auth.jwt_jwks),
        "cosmos_db.database_id (COSMOS_DB_DATABASE_ID)": clear_text_problem(cosmos.database_id),
        "rabbitmq.exchange (RABBITMQ_EXCHANGE)": clear_text_problem(rabbitmq.exchange),
        "rabbitmq.queue (RABBITMQ_QUEUE)": clear_text_problem(rabbitmq.queue),
        "webhooks.allowed_hosts (WEBHOOK_ALLOWED_HOSTS)": clear_text_problem(
            settings.webhooks.allowed_hosts
        ),
    }
    problems |= {
        f"services.{name}.url ({name.upper()}_URL)": shown_url_problem(
            url, "a service's health is asked for without credentials"
        )
        for name, url in settings.services.urls().items()
    }
    problems |= {
        name: shown_url_problem(url.partition("?")[0], "pages are asked for without credentials")
        for name, url in _pages(settings)
    }
    problems |= {
        name: shown_url_problem(url, "the platform's services are asked without credentials")
        for name, url in _claim_urls(settings).items()
    }
    problems |= {
        name: shown_url_problem(url, "what a service asks for goes into the setting of its token")
        for name, url in _operation_urls(settings).items()
    }
    return next(
        (f"setting {name} {problem}" for name, problem in problems.items() if problem), None
    )


def _claim_urls(settings: Settings) -> dict[str, str]:
    """The addresses of the services of claim recovery, by the names of their settings."""
    claims = settings.claims
    owners = ("integrations_url", "python_api_url")
    others = ("sync", "detection", "matching", "submission", "rejections", "payments")
    variables = {name: name.upper() for name in owners} | {
        f"{name}_url": f"CLAIMS_{name.upper()}_URL" for name in others
    }
    return {
        f"claims.{name} ({variable})": getattr(claims, name) for name, variable in variables.items()
    }


def _operation_urls(settings: Settings) -> dict[str, str]:
    """The addresses of the services of operations, by the names of their settings."""
    operations = settings.operations
    digest, sales = operations.notification_digest, operations.sales_operations
    templates = {name: url for name, (url, _) in _operation_templates(settings).items()}
    return {
        "operations.cms_sync.cms_url (CMS_URL)": operations.cms_sync.cms_url,
        "operations.cms_sync.core_url (CORE_URL)": operations.cms_sync.core_url,
        "operations.security_audit.advisories_url (SECURITY_AUDIT_ADVISORIES_URL)": (
            operations.security_audit.advisories_url
        ),
        "operations.notification_digest.source_url (NOTIFICATION_DIGEST_SOURCE_URL)": (
            digest.source_url
        ),
        "operations.sales_operations.ai_workflow_url (SALES_AI_WORKFLOW_URL)": (
            sales.ai_workflow_url
        ),
        "operations.sales_operations.inngest_event_url (INNGEST_EVENT_URL)": (
            sales.inngest_event_url
        ),
        "operations.sales_operations.inngest_api_url (INNGEST_API_URL)": sales.inngest_api_url,
        "operations.sales_operations.leads_url (SALES_LEADS_URL)": sales.leads_url,
        "operations.sales_operations.opportunities_url (SALES_OPPORTUNITIES_URL)": (
            sales.opportunities_url
        ),
        **templates,
    }


def _operation_templates(settings: Settings) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Those of them that hold placeholders, with the names of these."""
    onboarding, of_user = settings.operations.user_onboarding, ("userId", "email")
    digest = settings.operations.notification_digest
    return {
        "operations.notification_digest.directory_url (NOTIFICATION_DIGEST_DIRECTORY_URL)": (
            digest.directory_url,
            ("userId",),
        ),
        "operations.sales_operations.qualification_url (SALES_QUALIFICATION_URL)": (
            settings.operations.sales_operations.qualification_url,
            ("leadId",),
        ),
    } | {
        f"operations.user_onboarding.{name} (USER_ONBOARDING_{name.upper()})": (url, of_user)
        for name, url in (
            ("defaults_url", onboarding.defaults_url),
            ("role_url", onboarding.role_url),
            ("workspace_url", onboarding.workspace_url),
        )
    }


def template_problem(url: str, names: tuple[str, ...]) -> str | None:
    """What is wrong with the placeholders of an address, as the end of a sentence that begins with
    its name.
    """
    if re.match(r"\w+://[^/?]*[{}]", url):
        return "has a placeholder in its host: write the host itself"
    if any(name not in names for name in PLACEHOLDER.findall(url)):
        known = ", ".join(f"{{{name}}}" for name in names)
        return f"has a placeholder that is not known here: write {known}"
    if re.search("[{}]", PLACEHOLDER.sub("", url)):
        return "has a { or } that belongs to no placeholder"
    return None


def _pages(settings: Settings) -> list[tuple[str, str]]:
    """The web pages that operations ask for, each with the name of its setting."""
    health, warmup = settings.operations.health_monitoring, settings.operations.cache_warmup
    lists = {
        "operations.health_monitoring.endpoints (HEALTH_MONITORING_ENDPOINTS)": health.endpoints,
        "operations.cache_warmup.api_urls (CACHE_WARMUP_API_URLS)": warmup.api_urls,
        "operations.cache_warmup.cms_urls (CACHE_WARMUP_CMS_URLS)": warmup.cms_urls,
        "operations.cache_warmup.session_urls (CACHE_WARMUP_SESSION_URLS)": warmup.session_urls,
    }
    pages = []
    for name, listed in lists.items():
        try:
            pages += [(name, url) for url in pages_of(listed).values()]
        except ValueError as error:
            raise BadSetting(f"setting {name}: {error}") from None
    return pages


def clear_text_problem(text: str) -> str | None:
    """What is wrong with names that are shown in clear, as the end of a sentence that begins with
    their name.
    """
    if "://" in text or re.search("[@=?]", text):
        return (
            "holds ://, @, = or ?, as a URL with credentials would, and is shown in clear: "
            "write the name alone"
        )
    return None


def shown_url_problem(url: str, instead: str) -> str | None:
    """The same for a URL that is shown in clear and has neither user nor query; `instead` names the
    right place.
    """
    if url.startswith("sqlite:"):
        return None
    if "@" in url:
        return f"holds a user or a password, and is shown in clear: {instead}"
    return f"has a query (?), and is shown in clear: {instead}" if "?" in url else None


def key_set_problem(source: str) -> str | None:
    """The same for the address or the file of a set of public keys. Some providers demand a query:
    it stays, unseen.
    """
    if source.lstrip().startswith(("{", "[", "data:")):
        return (
            "is a key set itself, and is shown in clear: write the address or the file that "
            "holds it"
        )
    if not re.match("[A-Za-z][A-Za-z0-9+.-]*://", source):
        return None
    if problem := url_problem(source, ("https", "http")):
        return problem
    if "@" in source:
        return (
            "holds a user or a password, and is shown in clear: public keys are served without one"
        )
    return None


def url_problem(url: str, schemes: tuple[str, ...]) -> str | None:
    """What is wrong with the URL, as the end of a sentence that begins with its name."""
    scheme, separator, rest = url.partition(":")
    if not separator or scheme not in schemes:
        return _wrong_scheme(url, schemes)
    if scheme == "sqlite":
        return _problem_of_a_file(rest)
    if not rest.startswith("//"):
        return f"must begin with {scheme}://"
    if _NOT_IN_A_URL.search(url):
        return f"holds a space or a control character; in a password {_ENCODED}"
    if _LOOSE_PERCENT.search(url):
        return f"holds a % that begins no %XX; in a password {_ENCODED}"
    if "#" in url:
        return f"holds a #, which cuts a URL off; in a password {_ENCODED}"
    return _problem_of_the_place(rest)


def _problem_of_the_place(rest: str) -> str | None:
    """`rest` begins with the two slashes."""
    place = re.split(r"[/?]", rest[2:], maxsplit=1)[0]
    if "@" in rest[2 + len(place) :].partition("?")[0]:
        return f"has an @ behind its host; in a password {_ENCODED}"
    if place.count("@") > 1:
        return f"has more than one @; in a password {_ENCODED}"
    if "[" in place.rpartition("@")[0]:
        return "has a [ before its host; in a password write [ as %5B and ] as %5D"
    try:
        split: SplitResult = urlsplit(rest)
        host, port = split.hostname, split.port
    except ValueError:
        return (
            "has a port that is no number from 1 to 65535, or a host that is none; in a "
            f"password {_ENCODED}"
        )
    if not host:
        return "names no host"
    return "has port 0; a port is 1 to 65535" if port == 0 else None


def _problem_of_a_file(path: str) -> str | None:
    name = path.removeprefix("//")
    if not name or name.endswith(("/", "/.", "/..")) or name in (".", ".."):
        return "names no file: write sqlite:NAME.db"
    return "holds a NUL character" if "\0" in name else None


def _wrong_scheme(url: str, schemes: tuple[str, ...]) -> str:
    begin = [f"{scheme}:" if scheme == "sqlite" else f"{scheme}://" for scheme in schemes]
    words = f"must begin with {', '.join(begin[:-1])} or {begin[-1]}"
    if url.lower().startswith("accountendpoint="):
        return (
            f"{words}: of a connection string, AccountEndpoint goes here and AccountKey into "
            "COSMOS_DB_KEY"
        )
    return words
