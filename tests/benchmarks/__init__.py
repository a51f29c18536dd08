"""What the system carries on this machine: `make bench`, or `python -m tests.benchmarks NAME`.

Purpose: one file per question, each a coroutine `measure(stage, options)` that returns a `Report`.
Contract: real processes, real RabbitMQ and PostgreSQL; what is compared is measured in one run, in
turns; a figure comes with its target, and the report with the machine, the versions, the parameters
and the load. Pitfalls: everything here shares the machine with what it measures, so services and
observers are kept as cheap as possible and are listed in the processor time; another busy program
makes every figure worse.
"""
