/* Whole training steps: some rows of the data, both passes, and the change of the parameters. */

struct course {
    double (*run)(const struct space *, int);
    const double *data, *shares, *rates; /* all rows; weights of rows, or NULL; a rate per step */
    const int *order;                    /* of the rows, as they come in the steps */
    double *losses, *out;                /* of each step, and of each row */
    double *s, *h;                       /* what is remembered, and what the formula is told */
    long rows, batch, done;              /* rows in all and in a step, and steps made before */
    long wide, last, b, outputs;         /* numbers of a row, the last; of a row in b, in out */
};

/* Take steps; return how many. One that would make a number nan or infinite is not the last to
   have changed what there was, so the caller has to put everything back, and take fewer. */
long train(struct space *s, const struct course *c)
{
    long steps = 0;
    for (long start = 0; start < c->rows; start += c->batch, steps++) {
        long rows = c->rows - start < c->batch ? c->rows - start : c->batch;
        if (s->rows != rows) { /* gradients that nothing writes are 0, wherever they lie now */
            s->rows = rows;
            memset(s->db, 0, (size_t)(c->b * rows) * sizeof(double));
        }
        for (long row = 0; row < rows; row++) {
            const double *from = c->data + c->order[start + row] * c->wide;
            memcpy(s->i + row * c->wide, from, (size_t)c->wide * sizeof(double));
            if (c->shares)
                s->i[row * c->wide + c->last] = c->shares[start + row];
        }
        s->out = c->out + start * c->outputs;
        c->losses[steps] = c->run(s, 1);
        c->h[RATE] = c->rates[steps];
        c->h[STEPS] = (double)(c->done + steps);
        if (!isfinite(c->losses[steps]))
            break;
        update(s->u, s->du, c->s, c->h);
        if (!(c->h[CHANGE] == 0.0 && isfinite(c->h[NORM])))
            break;
    }
    return steps;
}
