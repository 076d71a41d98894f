/* Loops that the compiler vectorises, compiled once for each instruction set. The
 * file that includes this one defines FN(name) and TARGET. */
TARGET static void FN(quantize)(int8_t *restrict dst, const float *restrict src, size_t n,
                                float scale, float qmax) {
    for (size_t i = 0; i < n; i++) {
        float q = src[i] / scale;
        q = q < -qmax ? -qmax : q;
        q = q > qmax ? qmax : q;
        dst[i] = (int8_t)(int32_t)((q + 12582912.0f) - 12582912.0f);
    }
}

TARGET static void FN(add)(double *restrict row, const int32_t *restrict acc) {
    for (int j = 0; j < IG_NR; j++)
        row[j] += acc[j];
}

#undef FN
#undef TARGET
