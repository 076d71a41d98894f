/* Loops over weights; see the Go functions of the same names for what each
 * computes. Every pointer has room for n elements. */
#ifndef WWQ_KERNEL_H
#define WWQ_KERNEL_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    float min, max;
    size_t nonfinite;
} wwq_range;

typedef struct {
    double abs, square, max, signal, weight;
} wwq_error_sums;

void wwq_decode_f16(float *dst, const uint16_t *src, size_t n);
void wwq_decode_bf16(float *dst, const uint16_t *src, size_t n);
void wwq_find_range(wwq_range *r, const float *x, size_t n);
void wwq_quantize_symmetric(float *dst, const float *src, size_t n, float scale, float qmax);
void wwq_quantize_asymmetric(float *dst, const float *src, size_t n, float scale, float zero,
                             float min, float qmax);
void wwq_codes_symmetric(uint16_t *codes, const float *src, size_t n, float scale, float qmax);
void wwq_codes_asymmetric(uint16_t *codes, const float *src, size_t n, float scale, float zero,
                          float qmax);
double wwq_codes8(int8_t *codes, const float *src, size_t n, float scale, float qmax);
double wwq_scale16(int16_t *dst, const float *src, size_t n, float factor);
void wwq_round_f16(float *x, size_t n);
void wwq_round_bf16(float *x, size_t n);
void wwq_codes_f16(uint16_t *dst, const float *src, size_t n);
void wwq_sum_errors(wwq_error_sums *s, const float *a, const float *b, size_t n);
double wwq_widen(double *dst, const float *src, size_t n);
void wwq_mark(uint8_t *seen, const uint16_t *codes, size_t n);

/* The name of the instruction set in use, and its choice by name (0 if this
 * machine lacks it), for tests. */
const char *wwq_kernel_simd(void);
int wwq_kernel_force(const char *name);

#endif
