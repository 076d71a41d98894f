/* Exact symmetric rank-k updates of int8 matrices; see the Go functions Syrk and
 * Quantize for what each computes. */
#ifndef WWQ_INTGRAM_H
#define WWQ_INTGRAM_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of scratch memory, aligned to IG_ALIGN, that wwq_ig_syrk wants. */
size_t wwq_ig_space(size_t k, size_t m);
void wwq_ig_syrk(int trans, size_t k, size_t m, const int8_t *q, size_t ldq, int qmax, double *c,
                 size_t ldc, void *space);
void wwq_ig_quantize(int8_t *dst, const float *src, size_t n, float scale, float qmax);

/* The name of the instruction set in use, and its choice by name (0 if this
 * machine lacks it), for tests. */
const char *wwq_ig_simd(void);
int wwq_ig_force(const char *name);

#define IG_ALIGN 64

#endif
