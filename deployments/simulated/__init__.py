"""The downstream services as the platform documents them: which request is answered by which
events.

Purpose: one file per answer; `deployments.simulated.service` carries them over the bus. Contract:
what is here is what the real services send, quirks included (a failure event names no workflow).
Pitfalls: the real risk-analytics stays silent about an opportunity it evaluated within 15 minutes;
this one answers.
"""
