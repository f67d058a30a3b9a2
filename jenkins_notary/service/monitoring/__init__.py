"""Count and tell what happens: metrics, alerts, who has audited."""
