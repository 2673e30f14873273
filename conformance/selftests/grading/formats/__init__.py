"""Tables, pages and uploads, from results that nobody had to compute."""
