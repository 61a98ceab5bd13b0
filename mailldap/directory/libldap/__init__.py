"""libldap 2.5 as Postfix uses it: its server lists, connections, TLS, referrals and words."""
