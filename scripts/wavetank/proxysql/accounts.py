"""The accounts that a ProxySQL knows."""

# Who may come through a proxy.
APP_ACCOUNTS = ("app_rw", "app_ro")
# Who it looks at the servers as.
MONITOR = "monitor"
