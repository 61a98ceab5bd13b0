"""The mailRecipient schema: as text, as a server has it, and into a running server."""

from mailldap.admin.schema.check import Element, SchemaReport, State, Variant, check_schema
from mailldap.admin.schema.install import InstallPlan, install_schema, plan_install
from mailldap.admin.schema.text import Edition, Form, schema_entry, schema_text

__all__ = [
    "Edition",
    "Element",
    "Form",
    "InstallPlan",
    "SchemaReport",
    "State",
    "Variant",
    "check_schema",
    "install_schema",
    "plan_install",
    "schema_entry",
    "schema_text",
]
