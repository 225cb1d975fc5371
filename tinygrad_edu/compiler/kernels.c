/* The sum of numbers that lie step apart. */
FUNCTION double sum(long count, const double *x, long step)
{
    double total = 0.0;
    if (step == 1) {
        lanes some[4] = {{0}};
        for (; count >= 4 * LANES; count -= 4 * LANES, x += 4 * LANES)
            for (int v = 0; v < 4; v++)
                some[v] += *(const lanes *)(x + v * LANES);
        some[0] = (some[0] + some[1]) + (some[2] + some[3]);
        for (int lane = 0; lane < LANES; lane++)
            total += some[0][lane];
    }
    for (; count > 0; count--, x += step)
        total += *x;
    return total;
}

/* The sum of the products of two rows of numbers. */
FUNCTION double dot(long count, const double *x, long x_step, const double *y, long y_step)
{
    double total = 0.0;
    if (x_step == 1 && y_step == 1) {
        lanes some[2] = {{0}};
        for (; count >= 2 * LANES; count -= 2 * LANES, x += 2 * LANES, y += 2 * LANES)
            for (int v = 0; v < 2; v++)
                some[v] += *(const lanes *)(x + v * LANES) * *(const lanes *)(y + v * LANES);
        some[0] += some[1];
        for (int lane = 0; lane < LANES; lane++)
            total += some[0][lane];
    }
    for (; count > 0; count--, x += x_step, y += y_step)
        total += *x * *y;
    return total;
}

/* A tile of a product, c = sign a b or c += sign a b: its sums stay in registers until the end. */
INLINE void tile(int tall, int wide, long depth, const double *a, long a_row, long a_step,
                 const double *b, long b_step, double *c, long c_row, double sign, int add)
{
    lanes sums[TALL][WIDE], right[WIDE];
#pragma GCC unroll 8
    for (int r = 0; r < tall; r++)
#pragma GCC unroll 4
        for (int v = 0; v < wide; v++)
            sums[r][v] = (lanes){0};
    for (long k = 0; k < depth; k++) {
#pragma GCC unroll 4
        for (int v = 0; v < wide; v++)
            right[v] = *(const lanes *)(b + k * b_step + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < tall; r++)
#pragma GCC unroll 4
            for (int v = 0; v < wide; v++)
                sums[r][v] += a[r * a_row + k * a_step] * right[v];
    }
#pragma GCC unroll 8
    for (int r = 0; r < tall; r++)
#pragma GCC unroll 4
        for (int v = 0; v < wide; v++) {
            lanes *place = (lanes *)(c + r * c_row + v * LANES);
            if (add)
                *place += sign * sums[r][v];
            else
                *place = sign * sums[r][v];
        }
}

/* Columns of tiles, one below the other; tall ones where they are narrow, to use all registers. */
INLINE void tiles(int wide, long m, long depth, const double *a, long a_row, long a_step,
                  const double *b, long b_step, double *c, long c_row, double sign, int add)
{
    for (; wide <= WIDE / 2 && m >= 8; m -= 8, a += 8 * a_row, c += 8 * c_row)
        tile(8, wide, depth, a, a_row, a_step, b, b_step, c, c_row, sign, add);
    for (; m >= 4; m -= 4, a += 4 * a_row, c += 4 * c_row)
        tile(4, wide, depth, a, a_row, a_step, b, b_step, c, c_row, sign, add);
    for (; m >= 2; m -= 2, a += 2 * a_row, c += 2 * c_row)
        tile(2, wide, depth, a, a_row, a_step, b, b_step, c, c_row, sign, add);
    if (m)
        tile(1, wide, depth, a, a_row, a_step, b, b_step, c, c_row, sign, add);
}

#if !defined(__clang__)
/* Turn a square of numbers, so that rows become columns: halves change places, then quarters ... */
INLINE void turn(lanes square[LANES])
{
#pragma GCC unroll 4
    for (int half = LANES / 2; half; half /= 2) {
        places low, high;
#pragma GCC unroll 8
        for (int n = 0; n < LANES; n++) {
            low[n] = n & half ? LANES + n - half : n;
            high[n] = n & half ? LANES + n : n + half;
        }
#pragma GCC unroll 8
        for (int n = 0; n < LANES; n++)
            if (!(n & half)) {
                lanes upper = square[n], lower = square[n + half];
                square[n] = __builtin_shuffle(upper, lower, low);
                square[n + half] = __builtin_shuffle(upper, lower, high);
            }
    }
}
#endif

/* Copy a panel of a matrix to where its columns lie side by side, padded with zeros. */
FUNCTION void pack(long terms, long columns, const double *b, long b_step, long b_column,
                   double *packed, long next)
{
    for (long column = 0; column < next; column += LANES) {
        long left = columns - column, k = 0;
#if !defined(__clang__)
        for (; b_step == 1 && left >= LANES && k + LANES <= terms; k += LANES) {
            lanes square[LANES];
#pragma GCC unroll 8
            for (int v = 0; v < LANES; v++)
                square[v] = *(const lanes *)(b + (column + v) * b_column + k);
            turn(square);
#pragma GCC unroll 8
            for (int v = 0; v < LANES; v++)
                *(lanes *)(packed + (k + v) * next + column) = square[v];
        }
#endif
        for (; k < terms; k++)
            for (long v = 0; v < LANES; v++) {
                const double *from = b + k * b_step + (column + v) * b_column;
                packed[k * next + column + v] = v < left ? *from : 0.0;
            }
    }
}

/* c = sign a b, or c += sign a b, where a is m by depth, b is depth by n and c is m by n. Each has
   steps of its own between rows, columns and terms. What does not lie side by side along the
   columns is packed first. */
FUNCTION void product(long m, long n, long depth, const double *a, long a_row, long a_step,
                      const double *b, long b_column, long b_step,
                      double *c, long c_row, long c_column, double sign, int add)
{
    double packed[DEEP * WIDE * LANES] ALIGNED, whole[TALL * WIDE * LANES] ALIGNED;
    for (long start = 0; start < depth; start += DEEP, add = 1)
        for (long column = 0; column < n; column += WIDE * LANES) {
            long terms = depth - start < DEEP ? depth - start : DEEP;
            long left = n - column < WIDE * LANES ? n - column : WIDE * LANES;
            long wide = (left + LANES - 1) / LANES, next = b_step;
            const double *panel = b + start * b_step + column * b_column;
            if (b_column != 1 || left % LANES) {
                next = wide * LANES;
                pack(terms, left, panel, b_step, b_column, packed, next);
                panel = packed;
            }
            int direct = c_column == 1 && left % LANES == 0; /* else by way of a tile of our own */
            for (long row = 0; row < m; row += direct ? m : TALL) {
                long tall = direct ? m : m - row < TALL ? m - row : TALL;
                const double *from = a + row * a_row + start * a_step;
                double *out = c + row * c_row + column * c_column, *to = direct ? out : whole;
                long to_row = direct ? c_row : WIDE * LANES;
#define TILES(wide) \
    tiles(wide, tall, terms, from, a_row, a_step, panel, next, to, to_row, sign, direct && add)
                if (wide == 1)
                    TILES(1);
                else if (wide == 2)
                    TILES(2);
                else if (WIDE == 4 && wide == 3)
                    TILES(WIDE - 1);
                else
                    TILES(WIDE);
                for (long r = 0; !direct && r < tall; r++)
                    for (long v = 0; v < left; v++) {
                        double *place = out + r * c_row + v * c_column;
                        *place = whole[r * WIDE * LANES + v] + (add ? *place : 0.0);
                    }
            }
        }
}
