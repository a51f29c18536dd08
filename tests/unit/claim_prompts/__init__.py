"""Claim recovery beside its flow."""
