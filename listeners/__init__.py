"""RabbitMQ in: intake, answers, dispatch, webhooks.

Purpose: turns events into records, pending records into flow runs, and events of approvals into
webhooks' requests.
Contract: a message is acknowledged only once its record is durable; a refused one goes to the
dead-letter queue with a stable code; any number of listeners may compete for the queue.
Pitfalls: a handler may run twice for one message, at the same time, in two processes: every write
is create-once or guarded by an ETag. Nothing here waits for Prefect: intake goes on when Prefect is
down.
"""
