"""audit.fail_on: an audit as a gate for scripts."""

from __future__ import annotations

from covidnet.audit.examine import Audit
from covidnet.audit.findings import counted, listed, reaches
from covidnet.errors import AuditGateError


def shut_gate(audit: Audit, fail_on: str) -> None:
    """End with an error, and so with exit status 3, when something at or above ``fail_on`` was found.

    Raises:
        AuditGateError: Names the findings.
    """
    found = reaches(audit.findings, fail_on)
    if found:
        names = listed([finding.id for finding in found], most=5)
        raise AuditGateError(
            f"audit.fail_on={fail_on}: {counted(len(found), 'finding')} at or above it ({names}). Mend the data, or go "
            "on regardless with audit.fail_on=never."
        )
