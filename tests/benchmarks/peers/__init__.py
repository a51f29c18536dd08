"""What else carries such work, for comparison on the same machine: Prefect as it comes, Celery,
BullMQ.

Purpose: the same job, four steps that answer at once and an end that has all four answers.
Contract: durable and confirmed as each documents it, with as many processes as it makes itself.
Pitfalls: Celery and BullMQ are installed into `build/peers` (`scripts/bench-peers`), never beside
this project; their programs here run there and import nothing of it.
"""
