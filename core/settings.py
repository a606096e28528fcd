"""Settings of the process, from the environment (`CREWLINE_*`)."""

from functools import lru_cache
from pathlib import Path

import psutil
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import InputError

# What is left of the machine is for everything that is not the engine.
ENGINE_SHARE_OF_MEMORY = 0.5


class Settings(BaseSettings):
    """What one process of Crewline needs to know about its surroundings.

    Every field is read from `CREWLINE_<NAME>`, but those of the model's server from the variables that all its clients
    read; an empty variable counts as unset.
    """

    model_config = SettingsConfigDict(
        env_prefix="CREWLINE_", env_ignore_empty=True, extra="ignore", frozen=True, allow_inf_nan=False
    )

    home: Path = Field(default=Path("~/.crewline"), description="Data of runs and the embedded PostgreSQL.")
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL to use; without one an embedded server starts in `home`."
    )
    database_wait_s: float = Field(
        default=30.0, ge=0, description="How long to wait for a database that went away, seconds."
    )
    lease_s: float = Field(
        default=15.0,
        gt=0,
        description="A run whose holder gave no heartbeat for so long can be taken over, seconds.",
    )
    threads: int | None = Field(default=None, ge=1, description="Engine threads in all; the machine's cores if unset.")
    memory_mb: int | None = Field(
        default=None, ge=256, description="Engine memory in all; half the machine's if unset."
    )

    llm_model: str | None = Field(
        default=None, description="The language model to ask where one can help; rules do without it if unset."
    )
    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias="OPENAI_API_KEY", description="The key for the model's server."
    )
    openai_base_url: str | None = Field(
        default=None, validation_alias="OPENAI_BASE_URL", description="A server that speaks OpenAI's interface."
    )
    agent_modules: str = Field(
        default="", description="Modules that registered agents may come from, besides Crewline's; with commas between."
    )
    rules: Path | None = Field(
        default=None, description="Rules of delegation that runs go by; the default table if unset."
    )

    mcp_token: SecretStr | None = Field(
        default=None, description="What clients of `crewline mcp --http` must send as bearer token; none if unset."
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="What `crewline monitor` signs its webhook's alerts with; unsigned if unset."
    )

    @property
    def root(self) -> Path:
        """`home`, absolute."""
        return self.home.expanduser().absolute()

    def prepare(self) -> None:
        """Make the home folder. Raises InputError if that cannot be."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The home folder {self.root} cannot be made: {error.strerror}.",
                remedy="Set CREWLINE_HOME to a folder that can be written.",
            ) from error

    @property
    def engine_threads(self) -> int:
        """`threads`, or the machine's cores."""
        return self.threads or psutil.cpu_count() or 1

    @property
    def engine_memory_mb(self) -> int:
        """`memory_mb`, or the share of the machine's memory that engines get without it."""
        return self.memory_mb or round(psutil.virtual_memory().total / 2**20 * ENGINE_SHARE_OF_MEMORY)

    @property
    def runs_dir(self) -> Path:
        return self.root / "runs"


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises InputError when a variable holds something else than what its field takes.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(f"{_variable(str(e['loc'][0]))}: {e['msg']}" for e in error.errors())
        raise InputError(f"The environment is wrong: {problems}.", remedy="Correct or unset it.") from error


def _variable(field: str) -> str:
    return field if field.isupper() else f"CREWLINE_{field.upper()}"
