/* Residues modulo a prime in float64; see the Go functions of the same names. */
#ifndef WWQ_MODP_H
#define WWQ_MODP_H

#include <stddef.h>

#define WWQ_P 2097143.0

void wwq_mod_reduce(double *x, size_t n);
void wwq_mod_eliminate(double *a, size_t lda, size_t rows, size_t width, const double *pivot,
                       double inverse, double *c, size_t ldc);

#endif
