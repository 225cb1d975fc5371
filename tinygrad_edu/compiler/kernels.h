/* What the loops of a program call. Registers hold several numbers, where the processor has such.

   Nothing here changes what IEEE 754 says of nan, infinities and zeros. Sums are taken in another
   order than number by number, and a product may be added to a sum without being rounded first. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 8, WIDE = 4 }; /* numbers in a register, registers beside each other in a tile */
#elif defined(__AVX__)
enum { LANES = 4, WIDE = 2 };
#else
enum { LANES = 2, WIDE = 2 };
#endif
enum { TALL = 8, DEEP = 256 }; /* rows of a tile, and terms that are added up in one go */

typedef double lanes __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef long long places __attribute__((vector_size(8 * LANES)));
#define ALIGNED __attribute__((aligned(64)))
#define INLINE static inline __attribute__((always_inline, unused))
#if defined(__clang__) /* before a loop no turn of which reads what another one has written */
#define APART _Pragma("clang loop vectorize(assume_safety)")
#else
#define APART _Pragma("GCC ivdep")
#endif
#ifndef FUNCTION
#define FUNCTION static __attribute__((noinline, unused))
#endif

#if defined(__GLIBC__) && defined(__x86_64__) && !defined(__clang__) /* these have vector forms */
extern double exp(double) __attribute__((simd("notinbranch")));
extern double log(double) __attribute__((simd("notinbranch")));
extern double sin(double) __attribute__((simd("notinbranch")));
extern double cos(double) __attribute__((simd("notinbranch")));
extern double pow(double, double) __attribute__((simd("notinbranch")));
#if __GLIBC__ > 2 || __GLIBC_MINOR__ >= 35
extern double cosh(double) __attribute__((simd("notinbranch")));
extern double log1p(double) __attribute__((simd("notinbranch")));
extern double tanh(double) __attribute__((simd("notinbranch")));
#endif
#endif

INLINE double maximum(double x, double y) { return x >= y || x != x ? x : y; }
INLINE double minimum(double x, double y) { return x <= y || x != x ? x : y; }
INLINE double where(int condition, double x, double y) { return condition ? x : y; }
INLINE double square(double x) { return x * x; }

FUNCTION double sum(long count, const double *x, long step);
FUNCTION double dot(long count, const double *x, long x_step, const double *y, long y_step);
FUNCTION void product(long m, long n, long depth, const double *a, long a_row, long a_step,
                      const double *b, long b_column, long b_step,
                      double *c, long c_row, long c_column, double sign, int add);
