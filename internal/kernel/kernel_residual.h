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

// Four rows at a time, so that z is read and written once for them. A word of two numbers is
// split by a shift and a mask: hence the order of x and z.
TARGET static void FN(normal_product)(float *restrict z, const float *restrict x,
                                      const uint16_t *restrict e, size_t rows, size_t cols,
                                      float scale) {
    const size_t whole = cols / 16 * 16;
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
            for (size_t i = 0; i < whole; i += 16) {
                vu8 pairs;
                vf8 x0, x1;
                memcpy(&pairs, p + i, sizeof pairs);
                memcpy(&x0, x + i, sizeof x0);
                memcpy(&x1, x + i + 8, sizeof x1);
                sum.v[0] += (vf8)(pairs << 16) * x0;
                sum.v[1] += (vf8)(pairs & 0xffff0000u) * x1;
            }
            for (size_t i = whole; i < cols; i++)
                sum.l[i - whole] += bits_float((uint32_t)p[i] << 16) * x[i];
            for (int half = 8; half > 0; half /= 2)
                for (int l = 0; l < half; l++)
                    sum.l[l] += sum.l[l + half];
            y[k] = sum.l[0] * scale;
        }
        for (size_t i = 0; i < whole; i += 16) {
            vf8 s0, s1;
            memcpy(&s0, z + i, sizeof s0);
            memcpy(&s1, z + i + 8, sizeof s1);
            for (size_t k = 0; k < count; k++) {
                vu8 pairs;
                memcpy(&pairs, row + k * cols + i, sizeof pairs);
                s0 += (vf8)(pairs << 16) * y[k];
                s1 += (vf8)(pairs & 0xffff0000u) * y[k];
            }
            memcpy(z + i, &s0, sizeof s0);
            memcpy(z + i + 8, &s1, sizeof s1);
        }
        for (size_t i = whole; i < cols; i++)
            for (size_t k = 0; k < count; k++)
                z[i] += bits_float((uint32_t)row[k * cols + i] << 16) * y[k];
    }
}
