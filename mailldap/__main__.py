"""``python -m mailldap``."""

from mailldap.cli import main

main()
