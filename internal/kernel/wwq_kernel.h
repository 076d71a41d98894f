// Loops over weights; see the Go functions of the same names for what each
// computes. Every pointer has room for n elements, and no two overlap. set is an
// instruction set that this machine can run.
#ifndef WWQ_KERNEL_H
#define WWQ_KERNEL_H

#include <stddef.h>
#include <stdint.h>

// The name of an instruction set, counted from 0, the portable one; NULL if there
// are no more.
const char *wwq_kernel_set(int set);

typedef struct {
    float min, max;
    size_t nonfinite;
} wwq_range;

typedef struct {
    double abs, square, max, signal, weight;
} wwq_error_sums;

// What the weights of a group share; and the rules of the loops over runs of groups of size
// weights, the last of which may have fewer. See the Go types Group, Affine, Shifted and
// Mini; Group and Extent are laid out alike in both.
typedef struct {
    float scale, step, zero, bias;
} wwq_group;

enum { WWQ_F32, WWQ_BF16, WWQ_F16 };
enum { WWQ_TIES_EVEN, WWQ_TIES_AWAY, WWQ_TIES_LOW };

typedef struct {
    float low, high, factor;
    int type, multiply, zero_first, half_input;
} wwq_affine;

typedef struct {
    float high, middle;
    int code_type, type, away;
} wwq_shifted;

typedef struct {
    uint32_t mantissa;
    int exponent;
    float max;
    int ties, type, multiply;
} wwq_mini;

typedef struct {
    float min, max;
} wwq_extent;

void wwq_decode_f16(int set, float *dst, const uint16_t *src, size_t n);
void wwq_decode_bf16(int set, float *dst, const uint16_t *src, size_t n);
void wwq_find_range(int set, wwq_range *r, const float *x, size_t n);
void wwq_quantize_symmetric(int set, float *dst, const float *src, size_t n, float scale,
                            float qmax);
void wwq_quantize_asymmetric(int set, float *dst, const float *src, size_t n, float scale,
                             float zero, float min, float qmax);
void wwq_codes_symmetric(int set, uint16_t *codes, const float *src, size_t n, float scale,
                         float qmax);
void wwq_codes_asymmetric(int set, uint16_t *codes, const float *src, size_t n, float scale,
                          float zero, float qmax);
double wwq_codes8(int set, int8_t *codes, const float *src, size_t n, float scale, float qmax);
double wwq_scale16(int set, int16_t *dst, const float *src, size_t n, float factor);
void wwq_round_f16(int set, float *x, size_t n);
void wwq_round_bf16(int set, float *x, size_t n);
void wwq_codes_f16(int set, uint16_t *dst, const float *src, size_t n);
void wwq_sum_errors(int set, wwq_error_sums *s, const float *a, const float *b, size_t n);
double wwq_widen(int set, double *dst, const float *src, size_t n);
double wwq_subtract_bf16(int set, uint16_t *dst, const float *a, const float *b, size_t n);
void wwq_normal_product(int set, float *z, const float *x, const uint16_t *e, size_t rows,
                        size_t cols, float scale);
void wwq_quantize_affine(int set, float *dst, const float *src, size_t n, size_t size,
                         const wwq_group *g, wwq_affine rule);
void wwq_quantize_shifted(int set, float *dst, const float *src, size_t n, size_t size,
                          const wwq_group *g, wwq_shifted rule);
void wwq_quantize_mini(int set, float *dst, const float *src, size_t n, size_t size,
                       const wwq_group *g, wwq_mini rule);
void wwq_quantize_book(int set, float *dst, const float *src, size_t n, size_t size,
                       const wwq_group *g, const float *values, const float *middles, int multiply);
void wwq_group_ranges(int set, wwq_extent *ranges, const float *src, size_t n, size_t size);
void wwq_mark(uint8_t *seen, const uint16_t *codes, size_t n);

#endif
