"""An assignment, ready to hand out and to upload: starter file, rubric, a page for students, and what a platform takes."""
