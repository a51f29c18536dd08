"""The claim services as the platform documents them: sync, detection, matching, submission,
rejections and payments, on one port.

Purpose: a journey runs on one machine, and tests see what was asked and charged. Contract: every
answer but a charge follows from the request alone; a charge is made once for each
Idempotency-Key. Pitfalls: charges are kept in memory, and gone when the process ends.
"""
