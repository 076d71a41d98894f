// One kernel set: both precisions of the whole solver.
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
