"""Agents made at run time: templates, specifications that are made of them for the tasks at hand, and what they hold of
the machine while they work."""

from crews.dynamic.creation import Creation, creations, record_of
from crews.dynamic.pool import ResourcePool, machine
from crews.dynamic.specification import UNCOORDINATED, AgentSpec, Requirement, Specifier, TemplateSpecifier
from crews.dynamic.template import TEMPLATES, Resources, Template

__all__ = [
    "TEMPLATES",
    "UNCOORDINATED",
    "AgentSpec",
    "Creation",
    "Requirement",
    "ResourcePool",
    "Resources",
    "Specifier",
    "Template",
    "TemplateSpecifier",
    "creations",
    "machine",
    "record_of",
]
