"""The reconciler applies Prefect's state to the records and repairs what a crash left undone.

It takes no business decisions.
Purpose: each kind of drift is a class with one `find` and one `act`; `drifts` is the table of them.
Contract: level-triggered. Each look compares what is with what should be, so a lost event, a crash
in the middle of a repair or a second reconciler costs a little work and changes nothing. One of
several API processes leads and looks (`leadership`); how often, how long and how much was repaired
is in the `ReconcilerRecord`, for `orchestrator doctor`.
Pitfalls: what is recent is not drift: the part responsible gets its time first (the grace periods
beside each kind).
"""

from api.reconciler.drift import Drift as Drift
from api.reconciler.drift import Parts as Parts
from api.reconciler.drifts import drifts as drifts
from api.reconciler.service import run_reconciler as run_reconciler
