"""Floor 6, the teacher: predictions, exercises with checks, quizzes. Built on the base of the explorers."""
