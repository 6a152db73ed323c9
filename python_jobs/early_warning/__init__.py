"""Early warning and segments of students: what `district ml` is made of."""
