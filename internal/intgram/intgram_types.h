// What the driver and the instruction sets share: tile shape and panel layout.
//
// The names follow BLIS where it has one:
//
//   here               BLIS
//   slab               KC: the part of the long dimension that is packed at a time
//   A panel, B panel   packed micro-panels of MR and of NR columns
//   tile               the MR x NR products of an A panel and a B panel
//   kernel             micro-kernel: computes a tile over a slab
//   B_PART             NC: the bytes of B panels that one pass of the A panels meets
//
// The A panels of a slab all stay packed, so there is no MC. BLIS has no word for the
// rest. A slab is cut into blocks of IG_BLOCK bytes of a column, and blocks into groups
// of 4 bytes, which one dot product instruction takes: 4 int8 or 2 int16. A span is
// IG_SPAN blocks. Each slab is packed twice:
//
//   B panels of NR columns: [group][column][4] int8, or [group][column][2] int16
//   A panels of MR columns: the layout of B panels, or uint8 = int8 + bias for
//                           instructions that multiply unsigned by signed
//
// Sums of int8 or int16 products would overflow if they ran over a whole slab. While a
// slab is packed it is surveyed: ig_facts holds norms of its columns, from which plan()
// proves how far a sum may run. It cuts the slab of a tile into runs accordingly.
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
    IG_SPAN = 4,    // blocks that plan() takes together if the bounds allow it
    IG_SLAB = 2048, // bytes of a column; sums of int8 stay below 2048 * 127 * 127 < 2^25
    IG_BLOCKS = IG_SLAB / IG_BLOCK,
    IG_SPANS = IG_BLOCKS / IG_SPAN,
    IG_GROUPS = IG_BLOCK / 4, // groups of a block
    IG_A_GROUP = 4 * IG_MR,
    IG_B_GROUP = 4 * IG_NR,
    IG_LANES = 2 * IG_NR, // int16 sums of a row of a tile, two to a column
};

// A run of blocks, up to block end, that one loop of a kernel sums. In a wide run every
// product is widened before it is added: int8 products to int32, pairs of int16 products
// to double. In a narrow run int8 products are added in int16, int16 products in int32.
typedef struct {
    uint16_t end, wide;
} ig_run;

// Bounds on the elements of a panel, from which plan() derives the runs.
typedef struct {
    float total;                                // >= the 2-norm of span
    float span[IG_SPANS];                       // >= the 2-norm of every lane's elements
    float block[IG_BLOCKS];                     // >= the 2-norm of every lane's elements in a block
    uint8_t top_span[IG_SPANS], top[IG_BLOCKS]; // the largest |q|
    uint8_t pair_span[IG_SPANS], pair[IG_BLOCKS]; // B panels only: the largest |q| + |q'| of
                                                  // two elements that one instruction adds
} ig_bounds;

// Statistics of a B panel. For int8 only the instruction sets with biased A panels fill
// it. For int16 all fill it, except before and bias.
typedef struct {
    _Alignas(64) int16_t before[IG_BLOCKS + 1][IG_LANES]; // bias times each lane's sum over
                                                          // the blocks before, mod 2^16
    int32_t bias[IG_NR];           // bias times each column's sum over the slab
    float square[IG_SPANS][IG_NR]; // >= the sum of each column's squares of span
    ig_bounds bounds;
} ig_facts;

typedef struct {
    int biased;      // A panels hold q + qmax rather than q
    int planned;     // the kernel needs runs
    size_t b_panels; // how many B panels a kernel takes at once, 1 or 2
    void (*survey)(ig_facts *f, const int8_t *b, size_t blocks, int bias);
    // acc[b_panels][MR][NR] = the products over the slab. stride is from one B
    // panel to the next.
    void (*kernel)(int32_t *acc, const uint8_t *a, const int8_t *b, size_t stride, size_t blocks,
                   int bias, const ig_facts *f, const ig_run *runs, size_t nruns);
    void (*add)(double *row, const int32_t *acc); // NR elements
    // Survey and kernel for int16. Their sums need runs on all sets and, over a slab, may
    // be too large for int32, so acc is double. The kernel overwrites acc.
    void (*survey16)(ig_facts *f, const int16_t *b, size_t blocks);
    void (*kernel16)(double *acc, const int16_t *a, const int16_t *b, size_t stride,
                     const ig_run *runs, size_t nruns);
} ig_table;

// Returns the root of x >= 0, or a little more, since Newton's steps come from above.
// The first guess halves the exponent and is within 4 %, so two steps reach 1e-6.
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
