/**
 * Take a step on each batch of rows. The numbers are how many steps were made before, how many are
 * to come, and how many rows have weights; then what is remembered of the parameters, the learning
 * rate of each step, the weights, and the rows as they come in the steps.
 *
 * It ends before a step that would make a number nan or infinite, with all as it was before that.
 * Returned are how many steps were taken, their losses, the parameters, their gradient, what is
 * remembered of them, and the outputs of the rows.
 */
function train(batch, numbers) {
    const [done, count, weighted] = numbers;
    let at = 3;
    const next = (length) => numbers.subarray(at, (at += length));
    const s = next(REMEMBERED), rates = next(count), shares = next(weighted);
    const order = numbers.subarray(at);
    const { parameters: u, gradient: du } = program;
    const h = new Float64Array(TOLD), losses = [], outputs = [];
    const oldWeights = u.slice(), oldState = s.slice();
    let X = new Float64Array(0);
    for (let start = 0; start < order.length; start += batch) {
        const rows = Math.min(batch, order.length - start);
        if (X.length !== rows * COLUMNS) X = new Float64Array(rows * COLUMNS);
        for (let row = 0; row < rows; row++) {
            const from = COLUMNS * order[start + row], to = COLUMNS * (row + 1);
            X.set(data.subarray(from, from + COLUMNS), to - COLUMNS);
            if (weighted) X[to - 1] = shares[start + row];
        }
        const loss = program.backward(X, rows);
        if (!Number.isFinite(loss)) break;
        oldWeights.set(u), oldState.set(s);
        h[RATE] = rates[losses.length];
        h[STEPS] = done + losses.length;
        update(u, du, s, h);
        if (h[CHANGE] !== 0.0 || !Number.isFinite(h[NORM])) {
            u.set(oldWeights), s.set(oldState);
            break;
        }
        losses.push(loss);
        outputs.push(program.outputs());
    }
    return [[losses.length], losses, u, du, s, ...outputs];
}
