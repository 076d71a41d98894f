// Residues modulo a prime in float64; see the Go functions of the same names. set is
// an instruction set that this machine can run.
#ifndef WWQ_MODP_H
#define WWQ_MODP_H

#include <stddef.h>

#define WWQ_P 2097143.0

// The name of an instruction set, counted from 0, the portable one; NULL if there
// are no more.
const char *wwq_mod_set(int set);

void wwq_mod_reduce(int set, double *x, size_t n);
void wwq_mod_eliminate(int set, double *a, size_t lda, size_t rows, size_t width,
                       const double *pivot, double inverse, double *c, size_t ldc);

#endif
