"""Why a demo did not come to its end."""

import click


class DemoFailed(click.ClickException):
    """The demo did not end as it should; the message is the reason."""
