// The micro-kernels of the VNNI instructions, which add four products of 8 bits, or
// two of 16, to int32. The file that includes this one defines
//
//   FN(name)   the name of a function for this instruction set
//   TARGET     the function attributes that select it
//   VEC, W     a vector of int32 and how many it has: 8 or 16
//   ZERO(), LOAD(p), STORE(p, v), SET1(x), SUB(a, b)   its operations
//   DPBUSD, DPWSSD   the instructions, for operands 0 += 1 * 2
//   ADD_DOUBLE(to, v)   adds v to W doubles
//
// A kernel takes two vectors of columns: one B panel if W is 8, two if it is 16. The
// instructions are written in assembly because gcc copies the sums back and forth around
// their intrinsics.

TARGET static void FN(kernel)(int32_t *acc, const uint8_t *a, const int8_t *b, size_t stride,
                              size_t blocks, int bias, const ig_facts *f, const ig_run *runs,
                              size_t nruns) {
    (void)bias, (void)runs, (void)nruns;
    const size_t next = W < IG_NR ? 4 * W : stride;
    const size_t next_acc = W < IG_NR ? W : IG_MR * IG_NR;
    VEC s[IG_MR][2];
#pragma GCC unroll 6
    for (int r = 0; r < IG_MR; r++)
        s[r][0] = s[r][1] = ZERO();
    for (size_t g = 0; g < blocks * IG_GROUPS; g++, a += IG_A_GROUP, b += IG_B_GROUP) {
        const VEC b0 = LOAD((const void *)b), b1 = LOAD((const void *)(b + next));
#pragma GCC unroll 6
        for (int r = 0; r < IG_MR; r++) {
            int32_t w;
            memcpy(&w, a + 4 * r, 4);
            const VEC u = SET1(w);
            __asm__(DPBUSD : "+v"(s[r][0]) : "v"(u), "v"(b0));
            __asm__(DPBUSD : "+v"(s[r][1]) : "v"(u), "v"(b1));
        }
    }
    const VEC off0 = LOAD((const void *)f->bias);
    const VEC off1 = LOAD((const void *)(W < IG_NR ? f->bias + W % IG_NR : f[1].bias));
#pragma GCC unroll 6
    for (int r = 0; r < IG_MR; r++) {
        STORE((void *)(acc + IG_NR * r), SUB(s[r][0], off0));
        STORE((void *)(acc + IG_NR * r + next_acc), SUB(s[r][1], off1));
    }
}

// The kernel for int16. In a wide run the sum of every group is added to acc by itself.
TARGET static void FN(kernel16)(double *acc, const int16_t *a, const int16_t *b, size_t stride,
                                const ig_run *runs, size_t nruns) {
    const size_t next = W < IG_NR ? 2 * W : stride / 2;
    const size_t next_acc = W < IG_NR ? W : IG_MR * IG_NR;
    memset(acc, 0, sizeof *acc * IG_MR * W * 2);
    for (size_t i = 0, block = 0; i < nruns; block = runs[i++].end) {
        size_t left = (runs[i].end - block) * IG_GROUPS;
        while (left > 0) {
            size_t groups = runs[i].wide ? 1 : left;
            left -= groups;
            VEC s[IG_MR][2];
#pragma GCC unroll 6
            for (int r = 0; r < IG_MR; r++)
                s[r][0] = s[r][1] = ZERO();
            for (; groups > 0; groups--, a += 2 * IG_MR, b += 2 * IG_NR) {
                const VEC b0 = LOAD((const void *)b), b1 = LOAD((const void *)(b + next));
#pragma GCC unroll 6
                for (int r = 0; r < IG_MR; r++) {
                    int32_t w;
                    memcpy(&w, a + 2 * r, 4);
                    const VEC u = SET1(w);
                    __asm__(DPWSSD : "+v"(s[r][0]) : "v"(u), "v"(b0));
                    __asm__(DPWSSD : "+v"(s[r][1]) : "v"(u), "v"(b1));
                }
            }
#pragma GCC unroll 6
            for (int r = 0; r < IG_MR; r++) {
                ADD_DOUBLE(acc + IG_NR * r, s[r][0]);
                ADD_DOUBLE(acc + IG_NR * r + next_acc, s[r][1]);
            }
        }
    }
}

#undef FN
#undef TARGET
#undef VEC
#undef W
#undef ZERO
#undef LOAD
#undef STORE
#undef SET1
#undef SUB
#undef DPBUSD
#undef DPWSSD
#undef ADD_DOUBLE
