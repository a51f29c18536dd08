"""Breaks the running system at random and audits its books: `make chaos`, `make soak`, or `python
-m tests.chaos`.

Purpose: shows the promises of docs/reliability.md on real parts. RabbitMQ, Prefect's server and
every process of ours are killed, frozen and cut off while events come in; at the end, every
confirmed one must be accounted for. Contract: a plan (`plan.py`) is computed from a profile and a
seed alone; `run.py` carries it out; `audit` in tests/support judges what came out, without knowing
what was done. Exit code 1: a promise was broken, the logs are kept. Pitfalls: the seed repeats what
is done and when, not what the machine makes of it. On a busy machine only the times suffer; the
books must balance anyway.
"""
