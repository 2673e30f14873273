"""The reports of the studies, as Markdown and figures."""
