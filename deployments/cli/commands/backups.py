"""`orchestrator ops backup now | list | verify | restore`"""

import click

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, for other programs."
)


@click.group()
def backup() -> None:
    """Databases: back them up, prove it, and restore.

    \b
    Examples:
      orchestrator ops backup now
      orchestrator ops backup list
      orchestrator ops backup restore molochaindb-20260302_020000 --into molochaindb_check
    """


@backup.command("now")
@click.argument("databases", nargs=-1, metavar="[DATABASE]...")
@json_option
def now(databases: tuple[str, ...], as_json: bool) -> None:
    """Back up each DATABASE, by default all that are configured.

    Each is dumped, uploaded and verified: what was uploaded is restored into a scratch database and
    compared. Then backups that are too old are deleted. One that fails leaves the others alone.

    \b
    Examples:
      orchestrator ops backup now
      orchestrator ops backup now molochaindb
    """
    import asyncio

    from deployments.cli.actions.backups import back_up

    asyncio.run(back_up(databases, as_json=as_json))


@backup.command("list")
@click.argument("databases", nargs=-1, metavar="[DATABASE]...")
@json_option
def list_backups(databases: tuple[str, ...], as_json: bool) -> None:
    """List the backups, the newest first.

    \b
    Examples:
      orchestrator ops backup list
      orchestrator ops backup list molochaindb --json | jq .name
    """
    import asyncio

    from deployments.cli.views.backups import print_backups

    asyncio.run(print_backups(databases, as_json=as_json))


@backup.command("verify")
@click.argument("name")
@json_option
def verify(name: str, as_json: bool) -> None:
    """Restore the backup NAME into a scratch database and compare it with its manifest.

    The result is stored beside the archive: one that was verified and now differs counts as
    unverified from then on.

    \b
    Examples:
      orchestrator ops backup verify molochaindb-20260302_020000
    """
    import asyncio

    from deployments.cli.actions.backups import verify_one

    asyncio.run(verify_one(name, as_json=as_json))


@backup.command("restore")
@click.argument("name")
@click.option(
    "--into",
    metavar="DATABASE",
    help="Another database of the same server, created if it does not exist.  [default: its own]",
)
@click.option(
    "--replace", is_flag=True, help="The database is not empty: replace what the backup has, too."
)
@click.option(
    "--without-owners", is_flag=True, help="Restore no owners and grants, as where roles differ."
)
@json_option
def restore(
    name: str, into: str | None, replace: bool, without_owners: bool, as_json: bool
) -> None:
    """Restore the verified backup NAME.

    All of it, or nothing: the database is as it was before when the restore fails or is killed. An
    archive that is unverified or was changed since is refused, and so is a database that is not
    empty, unless you add --replace: then tables that only the database has stay.

    \b
    Examples:
      orchestrator ops backup restore molochaindb-20260302_020000 --into molochaindb_check
      orchestrator ops backup restore molochaindb-20260302_020000 --replace
    """
    import asyncio

    from deployments.cli.actions.backups import restore_one

    asyncio.run(
        restore_one(name, into, replace=replace, owners=not without_owners, as_json=as_json)
    )
