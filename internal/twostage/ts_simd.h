// Vector abstraction of one kernel set and one precision. Included with
//   TS_ISA      suffix of the set's functions (avx512, avx2, neon, scalar)
//   TS_KIND     the set: TS_AVX512, TS_AVX2, TS_NEON or TS_SCALAR
//   TS_VBYTES   bytes of one vector register
//   TS_DOUBLE   1 for float64, 0 for float32
// Defines R, V, VL, MV, NR, MR, FN() and the operations; ts_undef.h removes
// them again. Arithmetic goes through the compiler's vector types; only the
// fused multiply-add and the broadcast need intrinsics, because -std=c11
// turns contraction of a*b+c off.
#define TS_CAT_(a, b, c) a##_##b##_##c
#define TS_CAT(a, b, c) TS_CAT_(a, b, c)

#if TS_DOUBLE
#define R double
#define TS_PREC d
#define R_EPS 0x1p-53
#else
#define R float
#define TS_PREC s
#define R_EPS 0x1p-24f
#endif
#define FN(name) TS_CAT(name, TS_PREC, TS_ISA)
#define FN64(name) TS_CAT(name, d, TS_ISA)
#define V FN(ts_vec)
#define VU FN(ts_vecu)
#define REDUCTION FN(ts_reduction)
#define CHASE FN(ts_chase)
#define TASK FN(ts_task)
#define JOB FN(ts_job)
#define VL ((int)(TS_VBYTES / sizeof(R)))

typedef R V __attribute__((vector_size(TS_VBYTES)));
typedef R VU __attribute__((vector_size(TS_VBYTES), aligned(sizeof(R)), may_alias));

#define LOAD(p) (*(const VU *)(p))
#define STORE(p, x) (*(VU *)(p) = (x))
#define INLINE static inline __attribute__((always_inline))
// With AVX-512 the micro-kernels are not inlined: gcc would then spill up to half of the
// 24 sums in the loop.
#if TS_KIND == TS_AVX512
#define KERNEL static __attribute__((noinline))
#else
#define KERNEL INLINE
#endif

// Register block of the micro-kernels: MR = MV*VL rows by NR columns.
#if TS_KIND == TS_AVX512
#define MV 3
#define NR 8
#if TS_DOUBLE
#define SET1(x) ((V)_mm512_set1_pd(x))
#define FMA(a, b, c) ((V)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define FNMA(a, b, c) ((V)_mm512_fnmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define VMAX(a, b) ((V)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#else
#define SET1(x) ((V)_mm512_set1_ps(x))
#define FMA(a, b, c) ((V)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FNMA(a, b, c) ((V)_mm512_fnmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define VMAX(a, b) ((V)_mm512_max_ps((__m512)(a), (__m512)(b)))
#endif
#elif TS_KIND == TS_AVX2
#define MV 3
#define NR 4
#if TS_DOUBLE
#define SET1(x) ((V)_mm256_set1_pd(x))
#define FMA(a, b, c) ((V)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define FNMA(a, b, c) ((V)_mm256_fnmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define VMAX(a, b) ((V)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#else
#define SET1(x) ((V)_mm256_set1_ps(x))
#define FMA(a, b, c) ((V)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FNMA(a, b, c) ((V)_mm256_fnmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define VMAX(a, b) ((V)_mm256_max_ps((__m256)(a), (__m256)(b)))
#endif
#elif TS_KIND == TS_NEON
#define MV 6
#define NR 4
#if TS_DOUBLE
#define SET1(x) ((V)vdupq_n_f64(x))
#define FMA(a, b, c) ((V)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#define FNMA(a, b, c) ((V)vfmsq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#define VMAX(a, b) ((V)vmaxq_f64((float64x2_t)(a), (float64x2_t)(b)))
#else
#define SET1(x) ((V)vdupq_n_f32(x))
#define FMA(a, b, c) ((V)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define FNMA(a, b, c) ((V)vfmsq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define VMAX(a, b) ((V)vmaxq_f32((float32x4_t)(a), (float32x4_t)(b)))
#endif
#else
#define MV 3
#define NR 2
#if TS_DOUBLE
#define SET1(x) ((V){(x), (x)})
#else
#define SET1(x) ((V){(x), (x), (x), (x)})
#endif
#define FMA(a, b, c) ((c) + (a) * (b))
#define FNMA(a, b, c) ((c) - (a) * (b))
#define VMAX(a, b) FN(vmax)(a, b)
#endif
#define MR (MV * VL)

#if TS_KIND == TS_SCALAR
INLINE V FN(vmax)(V a, V b) {
    for (int i = 0; i < VL; i++)
        a[i] = b[i] > a[i] ? b[i] : a[i];
    return a;
}
#endif

// Returns the sum of the lanes, always added in one order.
INLINE R FN(hsum)(V x) {
#if TS_KIND == TS_AVX2 && TS_DOUBLE
    __m128d a =
        _mm_add_pd(_mm256_castpd256_pd128((__m256d)x), _mm256_extractf128_pd((__m256d)x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(a, _mm_unpackhi_pd(a, a)));
#elif TS_KIND == TS_AVX2
    __m128 a = _mm_add_ps(_mm256_castps256_ps128((__m256)x), _mm256_extractf128_ps((__m256)x, 1));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
#elif TS_KIND == TS_AVX512 && TS_DOUBLE
    return _mm512_reduce_add_pd((__m512d)x);
#elif TS_KIND == TS_AVX512
    return _mm512_reduce_add_ps((__m512)x);
#elif TS_DOUBLE
    return x[0] + x[1];
#else
    return (x[0] + x[2]) + (x[1] + x[3]);
#endif
}
#define HSUM FN(hsum)
