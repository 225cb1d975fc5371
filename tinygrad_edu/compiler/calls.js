const [DROP, LOAD, FORWARD, BACKWARD, TRAIN] = [0, 1, 2, 3, 4];

/**
 * Make a program of its text, a function of the data that stay with it.
 */
function made(text, data) {
    return new Function("data", `"use strict";\n${text}`)(data);
}

/**
 * Put numbers into their places, run a program, and return what it found, in one piece.
 * The numbers are the parameters, the constants, and then the rows of data or, for training steps,
 * what train takes.
 */
function call(program, what, rows, numbers) {
    const { parameters, constants, gradient } = program;
    let at = 0;
    const next = (count) => numbers.subarray(at, (at += count));
    parameters.set(next(parameters.length));
    constants.set(next(constants.length));
    const rest = numbers.subarray(at);
    if (what === TRAIN) return joined(program.train(rows, rest));
    if (what === FORWARD) return joined([[program.forward(rest, rows)], program.outputs()]);
    return joined([[program.backward(rest, rows)], gradient, program.outputs()]);
}

/** Put arrays of numbers one after the other. */
function joined(parts) {
    const found = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) found.set(part, at), (at += part.length);
    return found;
}
