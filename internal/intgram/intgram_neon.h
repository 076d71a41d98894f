// NEON, with and without the dot product. Both multiply signed by signed, so A panels
// are not biased.
#include <arm_neon.h>

#define FN(name) neon_##name
#define TARGET
#include "intgram_loops.h"

// The kernel without the dot product. Two products of 127 * 127 fit in int16, so the
// products of two groups are added before they are widened. The lanes of a row, two to a
// column, take 8 registers, so the kernel takes two rows at a time.
static void neon_kernel(int32_t *acc, const uint8_t *a, const int8_t *b, size_t stride,
                        size_t blocks, int bias, const ig_facts *f, const ig_run *runs,
                        size_t nruns) {
    (void)stride, (void)bias, (void)f, (void)runs, (void)nruns;
    for (int r = 0; r < IG_MR; r += 2) {
        int32x4_t s[2][IG_NR / 2];
        for (int j = 0; j < IG_NR / 2; j++)
            s[0][j] = s[1][j] = vdupq_n_s32(0);
        const int8_t *pa = (const int8_t *)a + 4 * r, *pb = b;
        for (size_t g = 0; g < blocks * IG_GROUPS;
             g += 2, pa += 2 * IG_A_GROUP, pb += 2 * IG_B_GROUP) {
            int32_t w[2][2];
            memcpy(w[0], pa, 8);
            memcpy(w[1], pa + IG_A_GROUP, 8);
            for (int x = 0; x < 2; x++) {
                const int8x8_t a0 = vreinterpret_s8_s32(vdup_n_s32(w[0][x]));
                const int8x8_t a1 = vreinterpret_s8_s32(vdup_n_s32(w[1][x]));
                for (int j = 0; j < IG_NR / 2; j++) {
                    int16x8_t p = vmull_s8(a0, vld1_s8(pb + 8 * j));
                    p = vmlal_s8(p, a1, vld1_s8(pb + IG_B_GROUP + 8 * j));
                    s[x][j] = vpadalq_s16(s[x][j], p);
                }
            }
        }
        for (int x = 0; x < 2; x++)
            for (int j = 0; j < IG_NR / 2; j += 2)
                vst1q_s32(acc + IG_NR * (r + x) + 2 * j, vpaddq_s32(s[x][j], s[x][j + 1]));
    }
}

static const ig_table neon_table = {
    .b_panels = 1,
    .kernel = neon_kernel,
    .add = neon_add,
    .survey16 = neon_survey16,
    .kernel16 = scalar_kernel16,
};

// Before version 16 clang declares the intrinsics only if all of the file is compiled
// for the dot product.
#if !defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD)
#define HAVE_DOTPROD
#ifdef __clang__
#define DOTPROD __attribute__((target("dotprod")))
#else
#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

DOTPROD static void dotprod_kernel(int32_t *acc, const uint8_t *a, const int8_t *b, size_t stride,
                                   size_t blocks, int bias, const ig_facts *f, const ig_run *runs,
                                   size_t nruns) {
    (void)stride, (void)bias, (void)f, (void)runs, (void)nruns;
    int32x4_t s[IG_MR][4];
    for (int r = 0; r < IG_MR; r++)
        for (int j = 0; j < 4; j++)
            s[r][j] = vdupq_n_s32(0);
    for (size_t g = 0; g < blocks * IG_GROUPS; g++, a += IG_A_GROUP, b += IG_B_GROUP) {
        const int8x16_t a0 = vreinterpretq_s8_u8(vld1q_u8(a));
        const int8x8_t a1 = vreinterpret_s8_u8(vld1_u8(a + 16));
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            const int8x16_t v = vld1q_s8(b + 16 * j);
            s[0][j] = vdotq_laneq_s32(s[0][j], v, a0, 0);
            s[1][j] = vdotq_laneq_s32(s[1][j], v, a0, 1);
            s[2][j] = vdotq_laneq_s32(s[2][j], v, a0, 2);
            s[3][j] = vdotq_laneq_s32(s[3][j], v, a0, 3);
            s[4][j] = vdotq_lane_s32(s[4][j], v, a1, 0);
            s[5][j] = vdotq_lane_s32(s[5][j], v, a1, 1);
        }
    }
    for (int r = 0; r < IG_MR; r++)
        for (int j = 0; j < 4; j++)
            vst1q_s32(acc + IG_NR * r + 4 * j, s[r][j]);
}

static const ig_table dotprod_table = {
    .b_panels = 1,
    .kernel = dotprod_kernel,
    .add = neon_add,
    .survey16 = neon_survey16,
    .kernel16 = scalar_kernel16,
};
#endif
