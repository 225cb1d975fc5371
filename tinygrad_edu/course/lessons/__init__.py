"""The exercises of the course, one file for each notebook; a new exercise is one more entry."""

from tinygrad_edu.course.exercise import Exercise
from tinygrad_edu.course.lessons import (
    chain_rule,
    depth,
    gates,
    gpt,
    honest,
    matrix,
    network,
    passes,
    remember,
    scale,
    softmax,
    training,
)

LESSONS = (
    remember, chain_rule, gates, passes, network, softmax,
    training, scale, depth, honest, matrix, gpt,
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    exercise.id: exercise for lesson in LESSONS for exercise in lesson.EXERCISES
}
