"""Decide who asks and what he may: tokens, logins, rules, limits."""
