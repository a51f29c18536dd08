"""Sales: analysed by the AI workflow, leads qualified, due dates watched, a report sent.

Purpose: a function for each step. Contract: what a step found is input of the next; an analysis is
requested once for a step of an execution, whatever is repeated. Pitfall: without a signing key,
Inngest takes events and gives no output: then the report has the CRM's figures alone.
"""

from blocks.operations.sales.intelligence import analyse as analyse
from blocks.operations.sales.monitoring import monitor_operations as monitor_operations
from blocks.operations.sales.qualification import qualify_leads as qualify_leads
from blocks.operations.sales.reporting import send_report as send_report
