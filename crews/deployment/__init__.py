"""Agents deployed: long-lived workers that take jobs from PostgreSQL, watched and measured (systems C8)."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from crews.deployment.deployment import Deployment
    from crews.deployment.health import DeploymentReport, report, undeploy
    from crews.deployment.jobs import JobRecord, get, submit

# The engine takes a second to import, which nobody needs who only looks.
_HOMES = {
    "Deployment": "crews.deployment.deployment",
    "DeploymentReport": "crews.deployment.health",
    "JobRecord": "crews.deployment.jobs",
    "get": "crews.deployment.jobs",
    "report": "crews.deployment.health",
    "submit": "crews.deployment.jobs",
    "undeploy": "crews.deployment.health",
}

__all__ = ["Deployment", "DeploymentReport", "JobRecord", "get", "report", "submit", "undeploy"]

__getattr__ = face(__name__, _HOMES)
