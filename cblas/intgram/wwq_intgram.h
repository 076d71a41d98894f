/* Exact symmetric rank-k updates of int8 and int16 matrices; see the Go functions
 * Syrk, Syrk16, Quantize and Scale16 for what each computes. */
#ifndef WWQ_INTGRAM_H
#define WWQ_INTGRAM_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of scratch memory, aligned to IG_ALIGN, for elements of size bytes. */
size_t wwq_ig_space(size_t k, size_t m, size_t size);
void wwq_ig_syrk(int trans, size_t k, size_t m, const int8_t *q, size_t ldq, int qmax, double *c,
                 size_t ldc, void *space);
void wwq_ig_syrk16(int trans, size_t k, size_t m, const int16_t *q, size_t ldq, double *c,
                   size_t ldc, void *space);
double wwq_ig_quantize(int8_t *dst, const float *src, size_t n, float scale, float qmax);
double wwq_ig_scale16(int16_t *dst, const float *src, size_t n, float factor);

/* The name of the instruction set in use, and its choice by name (0 if this
 * machine lacks it), for tests. */
const char *wwq_ig_simd(void);
int wwq_ig_force(const char *name);
/* Whether it has instructions for int16. */
int wwq_ig_fast16(void);

#define IG_ALIGN 64

#endif
