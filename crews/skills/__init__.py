"""What agents can do, and how well: the taxonomy of skills, levels, profiles (systems C1)."""

from crews.skills.need import Need
from crews.skills.profile import Profile, Profiles, load_profiles
from crews.skills.taxonomy import AREAS, SKILLS, Level, area_of

__all__ = ["AREAS", "SKILLS", "Level", "Need", "Profile", "Profiles", "area_of", "load_profiles"]
