// One kernel set: both precisions of the whole solver. These files are included
// several times with different macros, so they are templates rather than headers. They
// are called .h because the go command copies and tracks only .c and .h files of a
// package, and compiles every .c file by itself.
#define TS_DOUBLE 1
#include "ts_simd.h"
#include "ts_kernels.h"
#include "ts_panel.h"
#include "ts_band.h"
#include "ts_chase.h"
#include "ts_direct.h"
#include "ts_sterf.h"
#include "ts_driver.h"
#include "ts_undef.h"
#define TS_DOUBLE 0
#include "ts_simd.h"
#include "ts_kernels.h"
#include "ts_panel.h"
#include "ts_band.h"
#include "ts_chase.h"
#include "ts_direct.h"
#include "ts_driver.h"
#include "ts_undef.h"
#undef TS_ISA
#undef TS_KIND
#undef TS_VBYTES
