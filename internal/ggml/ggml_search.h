// The searches of search.go for 16 sub-blocks at a time, of 16 or 32 weights each. The
// sub-blocks lie beside each other: weight i of sub-block k is x[16 * i + k]. A vector
// has one weight of each of LANES sub-blocks, so that every sum is taken in the order of
// its elements, and every search makes the same choices as it does alone.

#define SUB 16
#define VF FN(vf)
#define VI FN(vi)
#define SELECT(mask, a, b) ((VF)(((VI)(a) & (mask)) | ((VI)(b) & ~(mask))))
#define ABS(v) ((VF)((VI)(v)&0x7fffffff))
#define NEAREST(v, lo, hi) ((VMIN(VMAX((v), (lo)), (hi)) + ROUND_MAGIC) - ROUND_MAGIC)
#define LOAD(p) ((VF)(*(const FN(vf_any) *)(p)))
#define STORE(p, v) (*(FN(vf_any) *)(p) = (v))

TARGET static inline VF FN(all)(float v) { return v - (VF){0}; }

// The weight of the largest magnitude, the first one of several.
TARGET static inline VF FN(largest)(const float *x, int n) {
    VF m = FN(all)(0), a = FN(all)(0);
    for (int i = 0; i < n; i++) {
        const VF v = LOAD(x + SUB * i), b = ABS(v);
        m = SELECT(b > a, v, m), a = VMAX(b, a);
    }
    return m;
}

// What a search found: the scale and the minimum of each sub-block, and how its codes
// follow: nearest(id * (x - from), lo, hi); they are lo if fixed is set.
typedef struct {
    float scale[SUB], min[SUB], id[SUB], from[SUB];
    int32_t fixed[SUB];
} FN(found);

// searchSymmetric for sub-blocks of 16.
TARGET static inline void FN(search_symmetric)(FN(found) * f, const float *x0, float nmax) {
    for (int g = 0; g < SUB; g += LANES) {
        const float *x = x0 + g;
        const VF m = FN(largest)(x, 16), lo = FN(all)(-nmax), hi = FN(all)(nmax - 1);
        const VI small = ABS(m) < TINY;
        VF w[16], wx[16], scale = lo, best = lo, taken = lo;
        for (int i = 0; i < 16; i++) {
            const VF v = LOAD(x + SUB * i);
            w[i] = v * v, wx[i] = w[i] * v;
        }
        for (int step = 0; step < 20; step++) {
            if (step == 10)
                continue;
            const float t = (float)(step - 10);
            const VF id = (step == 0 ? -nmax : -(nmax + 0.1f * t)) / m;
            VF sxl = FN(all)(0), sll = sxl;
            for (int i = 0; i < 16; i++) {
                const VF q = NEAREST(id * LOAD(x + SUB * i), lo, hi);
                sxl += wx[i] * q;
                sll += w[i] * q * q;
            }
            const VI take = (sll > 0) & (sxl * sxl > best * sll);
            const VF s = sxl / sll;
            if (step == 0)
                scale = SELECT(sll != 0, s, FN(all)(0)), best = scale * sxl, taken = id;
            else
                scale = SELECT(take, s, scale), best = SELECT(take, s * sxl, best),
                taken = SELECT(take, id, taken);
        }
        STORE(f->scale + g, SELECT(small, FN(all)(0), scale));
        STORE(f->id + g, taken);
        memcpy(f->fixed + g, &small, sizeof small);
    }
    memset(f->from, 0, sizeof f->from);
}

// One pass of descendSymmetric through the codes q. Returns which sub-blocks it changed.
TARGET static inline VI FN(descend)(VF *q, const float *x, const VF *w, const VF *wx, VF *sxl,
                                    VF *sll, VF lo, VF hi) {
    VI changed = {0};
    for (int i = 0; i < 16; i++) {
        VF xl = *sxl - wx[i] * q[i], ll = *sll - w[i] * q[i] * q[i];
        VI take = xl > 0;
        const VF p = NEAREST(LOAD(x + SUB * i) * ll / xl, lo, hi);
        take &= p != q[i];
        if (!ANY(take))
            continue;
        xl += wx[i] * p;
        ll += w[i] * p * p;
        take &= (ll > 0) & (xl * xl * *sll > *sxl * *sxl * ll);
        q[i] = SELECT(take, p, q[i]);
        *sxl = SELECT(take, xl, *sxl), *sll = SELECT(take, ll, *sll);
        changed |= take;
    }
    return changed;
}

// descendSymmetric for sub-blocks of 16. The codes lie as the weights do.
TARGET static inline void FN(descend_symmetric)(float *scale, float *codes, const float *x0,
                                                float nmax) {
    for (int g = 0; g < SUB; g += LANES) {
        const float *x = x0 + g;
        const VF m = FN(largest)(x, 16), lo = FN(all)(-nmax), hi = FN(all)(nmax - 1);
        const VF id = -nmax / m;
        const VI small = ABS(m) < TINY;
        VF w[16], wx[16], q[16], sxl = FN(all)(0), sll = sxl;
        for (int i = 0; i < 16; i++) {
            const VF v = LOAD(x + SUB * i);
            w[i] = v * v, wx[i] = w[i] * v;
            q[i] = NEAREST(id * v, lo, hi);
            sxl += wx[i] * q[i];
            sll += w[i] * q[i] * q[i];
        }
        for (int pass = 0; pass < 5; pass++) {
            const VI changed = FN(descend)(q, x, w, wx, &sxl, &sll, lo, hi);
            if (!ANY(changed))
                break;
        }
        const VF s = SELECT((sll > 0) & ~small, sxl / sll, FN(all)(0));
        STORE(scale + g, s);
        for (int i = 0; i < 16; i++)
            STORE(codes + SUB * i + g, SELECT(small, lo, q[i]));
    }
}

// The grid of searchAffine, and the number of weights in a sub-block.
typedef struct {
    int n, steps, magnitude;
    float nmax, first, step;
} FN(grid);

TARGET static inline VF FN(affine_error)(const float *x, const VF *w, const VF *q, VF s, VF b,
                                         FN(grid) p) {
    VF sum = FN(all)(0);
    for (int i = 0; i < p.n; i++) {
        VF e = s * q[i] + b - LOAD(x + SUB * i);
        e = p.magnitude ? ABS(e) : e * e;
        sum += w[i] * e;
    }
    return sum;
}

// The weights of searchAffine: the magnitudes, to which the root of the mean square comes
// unless errors count by their magnitude.
TARGET static inline void FN(affine_weights)(VF *w, const float *x, FN(grid) p) {
    VF squares = FN(all)(0);
    float rms[LANES] = {0};
    if (!p.magnitude) {
        for (int i = 0; i < p.n; i++)
            squares += LOAD(x + SUB * i) * LOAD(x + SUB * i);
        memcpy(rms, &squares, sizeof rms);
        for (int k = 0; k < LANES; k++)
            rms[k] = sqrtf(rms[k] / (float)p.n);
    }
    for (int i = 0; i < p.n; i++) {
        const VF a = ABS(LOAD(x + SUB * i));
        w[i] = p.magnitude ? a : LOAD(rms) + a;
    }
}

TARGET static inline void FN(search_affine)(FN(found) * f, const float *x0, FN(grid) p) {
    for (int g = 0; g < SUB; g += LANES) {
        const float *x = x0 + g;
        const VF zero = FN(all)(0), top = FN(all)(p.nmax);
        VF w[32], q[32], lo = LOAD(x), hi = lo, sw = zero, swx = zero;
        FN(affine_weights)(w, x, p);
        for (int i = 0; i < p.n; i++) {
            const VF v = LOAD(x + SUB * i);
            lo = VMIN(v, lo), hi = VMAX(v, hi);
            sw += w[i], swx += w[i] * v;
        }
        lo = VMIN(lo, zero);
        const VI flat = lo == hi;
        VF min = lo, from = lo, taken = p.nmax / (hi - lo), scale = 1 / taken;
        for (int i = 0; i < p.n; i++)
            q[i] = NEAREST(taken * (LOAD(x + SUB * i) - lo), zero, top);
        VF best = FN(affine_error)(x, w, q, scale, lo, p);
        for (int t = 0; t <= p.steps; t++) {
            const VF id = ((p.first + p.step * (float)t) + p.nmax) / (hi - min);
            VF sl = zero, sll = zero, sxl = zero;
            for (int i = 0; i < p.n; i++) {
                const VF v = LOAD(x + SUB * i),
                         wq = w[i] * (q[i] = NEAREST(id * (v - min), zero, top));
                sl += wq, sll += wq * q[i], sxl += wq * v;
            }
            const VF det = sw * sll - sl * sl;
            VF s = (sw * sxl - swx * sl) / det, b = (sll * swx - sl * sxl) / det;
            const VI above = b > 0;
            s = SELECT(above, sxl / sll, s), b = SELECT(above, zero, b);
            const VF err = FN(affine_error)(x, w, q, s, b, p);
            const VI take = (det > 0) & (err < best);
            best = SELECT(take, err, best), scale = SELECT(take, s, scale);
            from = SELECT(take, min, from), taken = SELECT(take, id, taken);
            min = SELECT(take, b, min);
        }
        STORE(f->scale + g, SELECT(flat, zero, scale));
        STORE(f->min + g, -SELECT(flat, lo, min));
        STORE(f->id + g, taken), STORE(f->from + g, from);
        memcpy(f->fixed + g, &flat, sizeof flat);
    }
}

// searchIQ4 for sub-blocks of 32.
TARGET static inline void FN(search_iq4)(float *scale0, const float *x0) {
    for (int g = 0; g < SUB; g += LANES) {
        const float *x = x0 + g;
        const VF m = FN(largest)(x, 32), zero = FN(all)(0);
        VF w[32], scale = zero, best = zero;
        for (int i = 0; i < 32; i++)
            w[i] = LOAD(x + SUB * i) * LOAD(x + SUB * i);
        for (int step = 0; step < 16; step++) {
            const VF id = step == 0 ? 1 / (m / 127.0f) : ((float)(step - 8) - 127) / m;
            VF sxq = zero, sqq = zero;
            for (int i = 0; i < 32; i++) {
                const VF v = LOAD(x + SUB * i), q = FN(iq4_value)(id * v), wq = w[i] * q;
                sxq += wq * v, sqq += wq * q;
            }
            VI take = (sqq > 0) & (sxq * sxq > best * sqq);
            if (step == 0)
                take = zero == zero;
            const VF s = sxq / sqq;
            scale = SELECT(take, s, scale), best = SELECT(take, s * sxq, best);
        }
        STORE(scale0 + g, SELECT(ABS(m) < TINY, zero, scale));
    }
}
