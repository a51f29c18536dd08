"""The security audit: known vulnerabilities, permissions, refused requests, and their report.

Purpose: each step looks, and none changes anything. Contract: whatever is found has one form, a
`Finding`, with what to do about it; a step fails only when it could not look. Pitfalls: no findings
among old advisories say little: `newestAdvisory` states how old they are.
"""

from blocks.operations.security.findings import Finding as Finding
from blocks.operations.security.permissions import check_permissions as check_permissions
from blocks.operations.security.refusals import review as review
from blocks.operations.security.report import Report as Report
from blocks.operations.security.report import report_of as report_of
from blocks.operations.security.report import store_report as store_report
from blocks.operations.security.vulnerabilities import scan as scan
