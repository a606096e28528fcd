"""Agents made at run time: templates, and the specifications that are made of them for the tasks at hand."""

from crews.dynamic.specification import UNCOORDINATED, AgentSpec, Specifier, TemplateSpecifier, record_of
from crews.dynamic.template import TEMPLATES, Template

__all__ = ["TEMPLATES", "UNCOORDINATED", "AgentSpec", "Specifier", "Template", "TemplateSpecifier", "record_of"]
