"""Cosmos DB behind the `RecordStore` port, through the Azure SDK.

Purpose: tenants' documents in the four containers the platform documents, partitioned by tenant.
Contract: every query names the tenant and its partition, and every answer is checked for it again;
nothing of the SDK leaves this package.
Pitfalls: create ignores If-Match; the SDK repeats writes after a lost answer, so a `writeId`
identifies our own.
"""
