"""Fees: charged once by the ledger, compared with the payment service's charge, decided by a person
where they differ.
"""
