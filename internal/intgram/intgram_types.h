// What the driver and the instruction sets share: tile shape and panel layout.
//
// The long dimension is cut into slabs, slabs into blocks of IG_BLOCK bytes of a
// column, blocks into groups of 4 bytes, which is what one dot product instruction
// takes: 4 int8 or 2 int16. Of each slab there are two packed copies:
//
//   B panels of NR columns: [group][column][4] int8, or [group][column][2] int16
//   A panels of MR columns: the same, or uint8 = int8 + bias for instructions that
//                           multiply unsigned by signed
//
// A kernel makes the MR x NR products of an A panel and a B panel.
#ifndef WWQ_INTGRAM_TYPES_H
#define WWQ_INTGRAM_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    IG_MR = 6,
    IG_NR = 16,
    IG_PLANNED = 2 * IG_MR, // columns of A panels that share a plan
    IG_BLOCK = 16,
    IG_SPAN = 4,    // blocks that are planned together, where they may be
    IG_SLAB = 2048, // bytes of a column; sums of int8 stay below 2048 * 127 * 127 < 2^25
    IG_BLOCKS = IG_SLAB / IG_BLOCK,
    IG_SPANS = IG_BLOCKS / IG_SPAN,
    IG_GROUPS = IG_BLOCK / 4, // of a block
    IG_A_GROUP = 4 * IG_MR,
    IG_B_GROUP = 4 * IG_NR,
    IG_LANES = 2 * IG_NR, // int16 sums of a row of a tile, two to a column
};

// A run of blocks, up to block end, that one kernel loop sums. Wide runs widen
// every product: of int8 to int32, of int16, by pairs, to double. The others add up
// in int16 or int32.
typedef struct {
    uint16_t end, wide;
} ig_run;

// Bounds on a panel's elements, from which the runs are planned.
typedef struct {
    float total;                                  // >= the 2-norm of span
    float span[IG_SPANS];                         // >= the 2-norm of every lane's elements
    float block[IG_BLOCKS];                       // the same for blocks
    uint8_t top_span[IG_SPANS], top[IG_BLOCKS];   // the largest |q|
    uint8_t pair_span[IG_SPANS], pair[IG_BLOCKS]; // the largest |q| + |q'| of two that one
                                                  // instruction adds; of B panels only
} ig_bounds;

// What is known of a B panel. Of int8 only biased instruction sets fill it; of int16
// all do, but for before and bias.
typedef struct {
    _Alignas(64) int16_t before[IG_BLOCKS + 1][IG_LANES]; // bias times each lane's sum over
                                                          // the blocks before, mod 2^16
    int32_t bias[IG_NR];           // bias times each column's sum over the slab
    float square[IG_SPANS][IG_NR]; // >= the sum of each column's squares of span
    ig_bounds bounds;
} ig_facts;

typedef struct {
    int biased;      // A panels hold q + qmax, else q
    int planned;     // the kernel wants runs
    size_t b_panels; // how many B panels a kernel takes at once, 1 or 2
    void (*survey)(ig_facts *f, const int8_t *b, size_t blocks, int bias);
    // acc[b_panels][MR][NR] = the products over the slab. stride is from one B
    // panel to the next.
    void (*kernel)(int32_t *acc, const uint8_t *a, const int8_t *b, size_t stride, size_t blocks,
                   int bias, const ig_facts *f, const ig_run *runs, size_t nruns);
    void (*add)(double *row, const int32_t *acc); // NR elements
    // The same for int16, whose sums need runs on all sets, and may be too large for
    // int32 over a slab. acc is set, not added to.
    void (*survey16)(ig_facts *f, const int16_t *b, size_t blocks);
    void (*kernel16)(double *acc, const int16_t *a, const int16_t *b, size_t stride,
                     const ig_run *runs, size_t nruns);
} ig_table;

// The root of x >= 0, or a little more: Newton's steps come from above. The guess
// halves the exponent and is within 4%, so that two steps reach 1e-6.
static inline float root(float x) {
    uint32_t u;
    float y;
    memcpy(&u, &x, 4);
    u = (u >> 1) + 0x1fbd1df5u;
    memcpy(&y, &u, 4);
    y = 0.5f * (y + x / y);
    return 0.5f * (y + x / y);
}

#endif
