"""The services that operations work with, on one port: CMS, communications hub, AI workflow, CRM,
users and their notifications, pages.

Purpose: all operations run on one machine. Contract: paths and answers are those that the platform
documents; the CMS answers conditional requests as RFC 9110 has it, and a message is taken once for
each Idempotency-Key. Pitfalls: what was taken is kept in memory, and gone when the process ends.
"""
