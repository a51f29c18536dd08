"""The roles of a PostgreSQL server: who is a superuser, whose password never expires.

`pg_roles` shows both to every user of the server; whether a role has a password at all it shows to
none, so each that may log in is expected to have an end.
"""

from datetime import datetime, timedelta
from typing import Any

from blocks.operations.postgres import connected
from blocks.operations.security.findings import Finding, finding
from blocks.settings.auth import words
from blocks.settings.operations import SecurityAudit
from blocks.settings.operations.databases import Database

_ROLES = """
SELECT rolname AS name, rolsuper AS is_superuser, rolcanlogin AS may_log_in,
       CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END AS until
FROM pg_roles WHERE rolcanlogin OR rolsuper ORDER BY rolname
"""


async def check_roles(
    database: Database, settings: SecurityAudit, now: datetime
) -> tuple[int, list[Finding]]:
    """How many roles that may log in, or are superusers, the server has, and what is wrong with
    them. Raises `DatabaseFailed`.
    """
    superusers = words(settings.superusers)
    async with connected(database, application="security audit") as connection:
        roles = await connection.fetch(_ROLES)
    within = timedelta(days=settings.expiry_days)
    found = [one for role in roles for one in _of_role(role, superusers, now, within)]
    return len(roles), found


def _of_role(
    role: Any, superusers: tuple[str, ...], now: datetime, within: timedelta
) -> list[Finding]:
    name, until = role["name"], role["until"]
    subject = f"database role {name}"
    found = []
    if role["is_superuser"] and name not in superusers:
        remedy = "ALTER ROLE … NOSUPERUSER, or name it in SECURITY_AUDIT_SUPERUSERS"
        found.append(finding("high", subject, "it is a superuser", remedy))
    if not role["may_log_in"]:
        return found
    if until is None:
        remedy = "ALTER ROLE … VALID UNTIL a date, and change the password before it"
        found.append(finding("low", subject, "its password never expires", remedy))
    elif until - now < within:
        word = "expired" if until <= now else "expires"
        problem = f"its password {word} on {until:%Y-%m-%d}"
        found.append(finding("medium", subject, problem, "give it a new one, or drop the role"))
    return found
