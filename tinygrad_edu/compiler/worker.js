// What node runs: it reads messages from Python, and answers them. See javascript_homes.py.
const fs = require("fs");
const programs = new Map();

function read(size) {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
        const some = fs.readSync(0, bytes, at, size - at);
        if (some === 0) process.exit(); // Python has ended
        at += some;
    }
    return bytes.buffer;
}

function write(bytes) {
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(1, bytes, at);
}

function answer(fine, bytes) {
    write(new Uint8Array(Float64Array.of(fine, bytes.length).buffer));
    write(bytes);
}

for (;;) {
    const [what, id, rows, size] = new Float64Array(read(32));
    const bytes = read(size);
    if (what === DROP) {
        programs.delete(id);
        continue;
    }
    try {
        if (what === LOAD) {
            const data = new Float64Array(bytes, 0, rows); // so many numbers, and then the text
            programs.set(id, made(Buffer.from(bytes, 8 * rows), data));
            answer(1, new Uint8Array(0));
        } else {
            const found = call(programs.get(id), what, rows, new Float64Array(bytes));
            answer(1, new Uint8Array(found.buffer));
        }
    } catch (error) {
        answer(0, Buffer.from(String(error)));
    }
}
