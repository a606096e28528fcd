"""What CrewAI would do by itself when it is first imported, and does not here."""

import os

from core.settings import settings


def quiet() -> dict[str, str]:
    """Variables to be set before the first import of `crewai`, which reads them then: it would send telemetry, take
    over signals, and write into the user's home. Those that are set already are left out."""
    wanted = {
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_TRACING_ENABLED": "false",
        "CREWAI_STORAGE_DIR": str(settings().root / "crewai"),
    }
    return {name: value for name, value in wanted.items() if name not in os.environ}
