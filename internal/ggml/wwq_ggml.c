// The instruction sets of this build. The loops stand in the headers that are included
// once for each. Which sets the machine can run is known to the Go side.
#include "wwq_ggml.h"

#include <math.h>
#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF // gcc does not contract under -std=c11
#endif

#include "ggml_numbers.h"

typedef struct {
    void (*decode[WWQ_GGML_TYPES])(float *, const uint8_t *, size_t);
    int (*quantize[WWQ_GGML_TYPES])(uint8_t *, const float *, size_t);
} kernels;

// What lies between neighbours in IQ4. From there on the upper one is nearer, also by the
// rounded differences.
static const float IQ4_MIDDLES[15] = {-115.5f, -93.5f, -74,   -57,   -42, -28.5f, -16, -4.5f,
                                      7,       19,     31.5f, 45.5f, 61,  79,     101};

// Tables for bisection. They are looked up by the low 3 bits of sums of comparisons, each 0
// or -1, and so entry 8-n is that for n, twice for vectors of 16.
#ifdef __x86_64__
static const float IQ4_QUARTERS[16] = {-93.5f, 0, 0, 0, 0, 79, 19, -28.5f,
                                       -93.5f, 0, 0, 0, 0, 79, 19, -28.5f};
static const float IQ4_EIGHTHS[16] = {-115.5f, 101, 61, 31.5f, 7, -16, -42, -74,
                                      -115.5f, 101, 61, 31.5f, 7, -16, -42, -74};
static const float IQ4_LOWER[16] = {-127, -10, -22, -35, -49, -65, -83, -104,
                                    -127, -10, -22, -35, -49, -65, -83, -104};
static const float IQ4_UPPER[16] = {1, 113, 89, 69, 53, 38, 25, 13, 1, 113, 89, 69, 53, 38, 25, 13};
#endif

static inline uint8_t signs(const float *x) {
    int bits = 0;
    for (int i = 0; i < 8; i++)
        bits |= (x[i] >= 0) << i;
    return (uint8_t)bits;
}

typedef float vf4 __attribute__((vector_size(16)));
typedef int32_t vi4 __attribute__((vector_size(16)));

// The base set is portable C in vectors of 4, which every x86-64 and arm64 has.
#ifdef __aarch64__
#include <arm_neon.h>
#define BASE_NAME "neon"
#define VMAX4(a, b) ((vf4)vmaxnmq_f32((float32x4_t)(a), (float32x4_t)(b)))
#define VMIN4(a, b) ((vf4)vminnmq_f32((float32x4_t)(a), (float32x4_t)(b)))
#define ANY4(m) (vmaxvq_u32((uint32x4_t)(m)) != 0)
#elif defined __x86_64__
#include <immintrin.h>
#define BASE_NAME "scalar"
#define VMAX4(a, b) ((vf4)_mm_max_ps(a, b))
#define VMIN4(a, b) ((vf4)_mm_min_ps(a, b))
#define ANY4(m) (_mm_movemask_ps((__m128)(m)) != 0)
#define TRANSPOSE4 transpose4

// Transposes 4 x 4 numbers between rows that lie so many numbers apart.
static inline void transpose4(float *dst, int to, const float *src, int from) {
    __m128 a = _mm_loadu_ps(src), b = _mm_loadu_ps(src + from);
    __m128 c = _mm_loadu_ps(src + 2 * from), d = _mm_loadu_ps(src + 3 * from);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(dst, a), _mm_storeu_ps(dst + to, b);
    _mm_storeu_ps(dst + 2 * to, c), _mm_storeu_ps(dst + 3 * to, d);
}
#else
#define BASE_NAME "scalar"
#define SELECT4(m, a, b) ((vf4)(((vi4)(a) & (m)) | ((vi4)(b) & ~(m))))
#define VMAX4(a, b) SELECT4((a) > (b), a, b)
#define VMIN4(a, b) SELECT4((a) < (b), a, b)
#define ANY4(m) (((m)[0] | (m)[1] | (m)[2] | (m)[3]) != 0)
#endif

// Short loops are unrolled before they are vectorised, and then no longer are.
#ifdef __clang__
#define NO_UNROLL
#else
#define NO_UNROLL _Pragma("GCC unroll 1")
#endif

#define VMAX VMAX4
#define VMIN VMIN4
#define ANY ANY4
#define FN(name) base_##name
#define TARGET
#define LANES 4
#define SIGNS(x) signs(x)
#include "ggml_loops.h"

#ifdef __x86_64__
#define FN(name) avx2_##name
#define TARGET __attribute__((target("avx2,f16c,fma")))
#define LANES 8
#define VMAX(a, b) ((avx2_vf)_mm256_max_ps(a, b))
#define VMIN(a, b) ((avx2_vf)_mm256_min_ps(a, b))
#define LOOKUP(t, i) ((avx2_vf)_mm256_permutevar8x32_ps(_mm256_loadu_ps(t), (__m256i)(i)))
#define ANY(m) (_mm256_movemask_ps((__m256)(m)) != 0)
#define SIGNS(x) \
    (uint8_t) _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x), _mm256_setzero_ps(), _CMP_GE_OQ))
#include "ggml_loops.h"

#define FN(name) avx512_##name
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,f16c")))
#define LANES 16
#define VMAX(a, b) ((avx512_vf)_mm512_max_ps(a, b))
#define VMIN(a, b) ((avx512_vf)_mm512_min_ps(a, b))
#define LOOKUP(t, i) ((avx512_vf)_mm512_permutexvar_ps((__m512i)(i), _mm512_loadu_ps(t)))
#define ANY(m) (_mm512_movepi32_mask((__m512i)(m)) != 0)
#define SIGNS(x) (uint8_t) _mm256_cmp_ps_mask(_mm256_loadu_ps(x), _mm256_setzero_ps(), _CMP_GE_OQ)
#include "ggml_loops.h"
#endif

// From the portable set to the best one, so that set 0 runs everywhere.
static const struct {
    const char *name;
    const kernels *table;
} sets[] = {
    {.name = BASE_NAME, .table = &base_table},
#ifdef __x86_64__
    {.name = "avx2", .table = &avx2_table},
    {.name = "avx512", .table = &avx512_table},
#endif
};

const char *wwq_ggml_set(int set) {
    return (size_t)set < sizeof sets / sizeof *sets ? sets[set].name : NULL;
}

void wwq_ggml_decode(int set, int type, float *dst, const uint8_t *src, size_t blocks) {
    sets[set].table->decode[type](dst, src, blocks);
}

int wwq_ggml_quantize(int set, int type, uint8_t *dst, const float *src, size_t blocks) {
    return sets[set].table->quantize[type](dst, src, blocks);
}
