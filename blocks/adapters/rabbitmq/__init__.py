"""RabbitMQ behind the `EventBus` port, through aio-pika.

Purpose: publish with confirms, consume with explicit verdicts, retry and dead letters, transient
signals.
Contract: nothing of aio-pika leaves this package; any fault of the broker or the network is
`Unavailable`.
Pitfalls: only connections are robust here, never channels: aio-pika's robust channels restore
themselves unobserved, and a consumer must know whether it is registered. A nack counts towards the
delivery limit, a copy does not.
"""
