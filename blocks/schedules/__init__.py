"""Cron lines, and the whole days that a tick stands for."""
