// Numbers as blocks store them. The Go functions of numbers.go say what each computes.

#define ROUND_MAGIC 12582912.0f
#define TINY 1e-15f

static inline uint32_t float_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float bits_float(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float half(const uint8_t *src) {
    uint32_t h = (uint32_t)src[0] | (uint32_t)src[1] << 8;
    uint32_t sign = (h & 0x8000) << 16, mag = h & 0x7fff;
    if (mag >= 0x7c00)
        return bits_float(sign | 0x7f800000u | (mag & 0x3ff) << 13 |
                          (mag > 0x7c00 ? 0x400000u : 0));
    if (mag < 0x400) { // zero or subnormal: mag * 2^-24
        float f = (float)mag * 0x1p-24f;
        return sign ? -f : f;
    }
    return bits_float(sign | ((mag << 13) + 0x38000000u));
}

// Stores f as float16 and tells whether that is finite.
static inline int put_half(uint8_t *dst, float f) {
    uint32_t b = float_bits(f), sign = b >> 16 & 0x8000, mag = b & 0x7fffffffu, h;
    if (mag >= 0x477ff000u) // NaN too
        return 0;
    if (mag < 0x38800000u) // below 2^-14, so the last place of the sum is 2^-24
        h = sign | (float_bits(bits_float(mag) + 0.5f) - 0x3f000000u);
    else
        h = sign | (mag - 0x38000000u + 0xfff + (mag >> 13 & 1)) >> 13;
    dst[0] = (uint8_t)h, dst[1] = (uint8_t)(h >> 8);
    return 1;
}

static inline int is_finite(float v) { return v - v == 0; }

static inline float inverse(float d) {
    float id = 1 / d;
    return is_finite(id) ? id : 0;
}

static inline float nearest(float v, float lo, float hi) {
    v = v > lo ? v : lo;
    v = v > hi ? hi : v;
    return (v + ROUND_MAGIC) - ROUND_MAGIC;
}

static inline int32_t away(float v) {
    int32_t n = (int32_t)v;
    float r = v - (float)n;
    return n + (r >= 0.5f) - (r <= -0.5f);
}

static const float E2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static const float IQ4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                              1,    13,   25,  38,  53,  69,  89,  113};

static inline uint8_t e2m1_code(float x, float d) {
    float least = fabsf(x);
    int code = 0;
    for (int i = 0; i < 16; i++) {
        float e = fabsf(E2M1[i] * d - x);
        if (e < least)
            code = i, least = e;
    }
    return (uint8_t)code;
}

static inline float e8m0_half(uint8_t e) {
    return bits_float(e < 2 ? 0x200000u << e : (uint32_t)(e - 1) << 23);
}

static inline int floor_log2(float v) {
    static const uint8_t near[8] = {0, 0, 1, 2, 5, 11, 22, 44};
    uint32_t bits = float_bits(v), below = 0x800000 - (bits & 0x7fffff);
    int k = (int)(bits >> 23) - 127 + 1, m = k > 0 ? k - 1 : -k, length = 0;
    for (; m > 0; m >>= 1)
        length++;
    return below <= near[length] ? k : k - 1;
}

static inline float ue4m3_half(uint8_t b) {
    int exponent = b >> 3 & 15;
    if (b == 0x7f)
        return 0;
    if (exponent == 0)
        return (float)(b & 7) * 0x1p-10f;
    return (1 + (float)(b & 7) / 8) * bits_float((uint32_t)(exponent - 8 + 127) << 23);
}

static inline uint8_t ue4m3(float v) {
    if (!(v > 0))
        return 0;
    uint32_t bits = float_bits(v < 448 ? v : 448);
    int exponent = (int)(bits >> 23) - 127 + 7, mantissa = bits >> 20 & 7;
    if (exponent <= 0) {
        int n = (int)(v * 512 + 0.5f);
        return (uint8_t)(n < 7 ? n : 7);
    }
    mantissa += bits >> 19 & 1;
    if (mantissa > 7)
        mantissa = 0, exponent++;
    return (uint8_t)(exponent >= 15 ? 0x7e : exponent << 3 | mantissa);
}

static inline float largest(const float *x, int n) {
    float m = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(m))
            m = x[i];
    return m;
}

static inline float peak(const float *x, int n) {
    float m = 0;
    for (int i = 0; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

static inline void scale_min6(const uint8_t *sc, int s, float *scale, float *min) {
    int a = s < 4 ? sc[s] & 63 : (sc[s + 4] & 15) | sc[s - 4] >> 6 << 4;
    int b = s < 4 ? sc[s + 4] & 63 : sc[s + 4] >> 4 | sc[s] >> 6 << 4;
    *scale = (float)a, *min = (float)b;
}

static inline void put_scale_min6(uint8_t *sc, int s, int scale, int min) {
    if (s < 4) {
        sc[s] = (uint8_t)scale, sc[s + 4] = (uint8_t)min;
        return;
    }
    sc[s + 4] = (uint8_t)((scale & 15) | (min & 15) << 4);
    sc[s - 4] |= (uint8_t)(scale >> 4 << 6);
    sc[s] |= (uint8_t)(min >> 4 << 6);
}
