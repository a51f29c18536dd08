"""Documents that the older orchestrator left in the containers it shared with this one.

They have no `kind`. A record store reads such a document as the record that its container stands
for, in one place (`blocks/adapters/older_documents.py`); whoever asks the store sees a record like
any other. What cannot be read without doubt is `Unreadable`: it is no record, and the migration
reports it.
"""

from collections.abc import Mapping

from blocks.contracts.older_service.approvals import APPROVALS
from blocks.contracts.older_service.form import OlderForm, Unreadable
from blocks.contracts.older_service.workflows import WORKFLOWS, OlderWorkflow
from blocks.contracts.records import ApprovalRecord, Record

OLDER_FORMS: Mapping[type[Record], OlderForm] = {
    ApprovalRecord: APPROVALS,
    OlderWorkflow: WORKFLOWS,
}

__all__ = ["OLDER_FORMS", "OlderForm", "OlderWorkflow", "Unreadable"]
