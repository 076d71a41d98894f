// Loops over the errors of quantization, kept in bfloat16. Included by kernel_loops.h, for
// each instruction set.

TARGET static double FN(subtract_bf16)(uint16_t *restrict dst, const float *restrict a,
                                       const float *restrict b, size_t n) {
    double squares[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) {
            const float d = b[i + l] - a[i + l];
            const uint32_t u = float_bits(d);
            dst[i + l] = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
            squares[l] += (double)d * (double)d;
        }
    for (int l = 0; i < n; i++, l++) {
        const float d = b[i] - a[i];
        const uint32_t u = float_bits(d);
        dst[i] = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
        squares[l] += (double)d * (double)d;
    }
    return ADD_LANES(squares);
}

// Four rows at a time, each summed in 16 lanes: x and z are read once for them.
TARGET static void FN(normal_product)(float *restrict z, const float *restrict x,
                                      const uint16_t *restrict e, size_t rows, size_t cols,
                                      float scale) {
    for (size_t r = 0; r < rows; r += 4) {
        const size_t count = rows - r < 4 ? rows - r : 4;
        const uint16_t *row = e + r * cols;
        float y[4];
        for (size_t k = 0; k < count; k++) {
            const uint16_t *p = row + k * cols;
            union {
                vf8 v[2];
                float l[16];
            } sum = {{{0}}};
            size_t i = 0;
            for (; i + 16 <= cols; i += 16) {
                vf8 x0, x1;
                memcpy(&x0, x + i, sizeof x0);
                memcpy(&x1, x + i + 8, sizeof x1);
                sum.v[0] += load_bf16x8(p + i) * x0;
                sum.v[1] += load_bf16x8(p + i + 8) * x1;
            }
            for (int l = 0; i < cols; i++, l++)
                sum.l[l] += bits_float((uint32_t)p[i] << 16) * x[i];
            for (int half = 8; half > 0; half /= 2)
                for (int l = 0; l < half; l++)
                    sum.l[l] += sum.l[l + half];
            y[k] = sum.l[0] * scale;
        }
        size_t i = 0;
        for (; i + 8 <= cols; i += 8) {
            vf8 s;
            memcpy(&s, z + i, sizeof s);
            for (size_t k = 0; k < count; k++)
                s += load_bf16x8(row + k * cols + i) * y[k];
            memcpy(z + i, &s, sizeof s);
        }
        for (; i < cols; i++)
            for (size_t k = 0; k < count; k++)
                z[i] += bits_float((uint32_t)row[k * cols + i] << 16) * y[k];
    }
}
