"""What the records of the trainings say: scores, intervals, differences."""
