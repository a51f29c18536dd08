"""What users are notified of once a day: collected, put together for each, sent once.

Purpose: a function for each step. Contract: every notification since the last digest is in exactly
one, whatever fails between: the span that a digest covers is kept before anything is sent, and the
next digest begins where it ended. Pitfall: the next run sends a span that was not sent to everyone
before anything newer; who had theirs gets no second one.
"""

from blocks.operations.digest.collecting import collect as collect
from blocks.operations.digest.notices import Notice as Notice
from blocks.operations.digest.sending import compile_digests as compile_digests
from blocks.operations.digest.sending import send_digests as send_digests
