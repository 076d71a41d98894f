// Exact symmetric rank-k updates of int8 and int16 matrices; see the Go functions
// Syrk and Syrk16 for what they compute.
#ifndef WWQ_INTGRAM_H
#define WWQ_INTGRAM_H

#include <stddef.h>
#include <stdint.h>

// The name of an instruction set, counted from 0, the portable one; NULL if there
// are no more. The other functions take a set that this machine can run.
const char *wwq_ig_set(int set);
// Whether a set has instructions for int16.
int wwq_ig_fast16(int set);

// The bytes of scratch memory, aligned to IG_ALIGN, for elements of size bytes.
size_t wwq_ig_space(size_t k, size_t m, size_t size);

// A product Q^T Q or Q Q^T. It is computed slab by slab of the long dimension: a slab is
// packed, then multiplied, in parts that may run at the same time.
typedef struct {
    const void *q;
    size_t k, m, ldq, size; // size is that of an element: 1 or 2 bytes
    int trans, qmax;        // qmax is used for int8 only
} ig_product;

// Returns how many elements of the long dimension a slab has.
size_t wwq_ig_slab(size_t m, size_t size);
void wwq_ig_pack(int set, const ig_product *p, size_t from, void *space);
void wwq_ig_multiply(int set, const ig_product *p, size_t from, const void *space, double *c,
                     size_t ldc, size_t part, size_t parts);

#define IG_ALIGN 64

#endif
