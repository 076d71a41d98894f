// Blocks of ggml's types; see the Go functions for what each call computes. set is an
// instruction set that this machine can run. dst and src hold so many whole blocks and
// do not overlap.
#ifndef WWQ_GGML_H
#define WWQ_GGML_H

#include <stddef.h>
#include <stdint.h>

// The types, numbered as in Go.
enum wwq_ggml_type {
    WWQ_Q4_0,
    WWQ_Q4_1,
    WWQ_Q5_0,
    WWQ_Q5_1,
    WWQ_Q8_0,
    WWQ_Q2_K,
    WWQ_Q3_K,
    WWQ_Q4_K,
    WWQ_Q5_K,
    WWQ_Q6_K,
    WWQ_IQ4_NL,
    WWQ_IQ4_XS,
    WWQ_TQ1_0,
    WWQ_TQ2_0,
    WWQ_MXFP4,
    WWQ_NVFP4,
    WWQ_Q1_0,
    WWQ_Q2_0,
    WWQ_GGML_TYPES
};

// The name of an instruction set, counted from 0, the portable one; NULL if there
// are no more.
const char *wwq_ggml_set(int set);

void wwq_ggml_decode(int set, int type, float *dst, const uint8_t *src, size_t blocks);

// Returns 0 if the scale of a block is not finite. dst is then not specified.
int wwq_ggml_quantize(int set, int type, uint8_t *dst, const float *src, size_t blocks);

#endif
