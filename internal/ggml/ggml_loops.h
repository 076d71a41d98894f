// All loops for one instruction set. The file that includes this one defines
//
//   FN(name)            the name of a function for this instruction set
//   TARGET              the function attributes that select it
//   LANES               how many float32 numbers a vector has: 4, 8 or 16
//   VMAX(a, b)          a > b ? a : b, element by element; b if a is NaN
//   VMIN(a, b)          a < b ? a : b
//   ANY(m)              whether a mask has an element that is set
//   LOOKUP(table, i)    the elements of a table by the low 3 bits of those of i, if that
//                       is one instruction, and is not defined otherwise
//   SIGNS(x)            a bit for each of the 8 numbers from x on: whether it is >= 0
//
// and what is defined here and there for one set is undefined at the end.

typedef float FN(vf) __attribute__((vector_size(4 * LANES)));
typedef int32_t FN(vi) __attribute__((vector_size(4 * LANES)));
typedef float FN(vf_any) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#include "ggml_decode.h"
#include "ggml_simple.h"
#include "ggml_iq4.h"
#include "ggml_search.h"
#include "ggml_kquants.h"
