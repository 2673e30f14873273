"""Results as files: tables, pages that a student learns from, a summary of the class, and what the platforms of courses take."""

from conformance.grading.formats.names import file_name, same_name
from conformance.grading.formats.writing import write_all

__all__ = ["file_name", "same_name", "write_all"]
