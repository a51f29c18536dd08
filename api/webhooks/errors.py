"""Why a request about a webhook is refused, and how that is answered."""

from api.http.errors import Answer, add_answers
from blocks.ports import NotFound
from blocks.webhooks.changes import EARLIER_SECRETS_MAX, TooManySecrets
from blocks.webhooks.subscriptions import SUBSCRIPTIONS_MAX, TooManyWebhooks


class WebhookNotFound(NotFound):
    """The tenant has no such webhook."""


class WebhookChanged(Exception):
    """The webhook is not at the version that the request requires."""


add_answers(
    {
        WebhookNotFound: Answer(404, "WEBHOOK_NOT_FOUND", "Webhook not found"),
        TooManyWebhooks: Answer(
            409, "WEBHOOK_LIMIT_REACHED", f"A tenant has at most {SUBSCRIPTIONS_MAX} webhooks"
        ),
        TooManySecrets: Answer(
            409,
            "WEBHOOK_SECRET_LIMIT_REACHED",
            f"{EARLIER_SECRETS_MAX} earlier secrets of the webhook are still valid",
        ),
        WebhookChanged: Answer(
            412, "PRECONDITION_FAILED", "The webhook has changed since it was read"
        ),
    }
)
