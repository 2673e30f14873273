"""The two published studies, retrained and retold: data, experiments, analysis, reports."""
